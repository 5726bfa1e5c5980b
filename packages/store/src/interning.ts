import type { Identity, LedgerEvent, LlmCall } from '@spanledger/conventions'
import type { Cost } from '@spanledger/pricing'

import { openDictionary, type DictionaryTable } from './dictionary.ts'
import { openProperties, type PlacedProperties } from './properties.ts'
import type { Sqlite } from './sqlite.ts'

/** Gives ids to all that repeats in calls. */
export interface Interning {
  /** At the start of each transaction. */
  begin(): Promise<void>
  /** The ids of what each call names, in order. Inside a transaction that was begun. */
  intern(calls: readonly NamedCall[]): Promise<InternedCall[]>
  internIdentities(identities: readonly Identity[]): Promise<IdentityIds[]>
  /** What each event is an instance of. */
  internSubjects(events: readonly LedgerEvent[]): Promise<number[]>
  /** Forgets all ids: after a rollback they may be other ones. */
  forget(): void
}

/** A call with all that names something. */
export interface NamedCall {
  readonly call: LlmCall
  readonly identity: Identity
  readonly cost: Cost
}

export interface IdentityIds {
  readonly userId: number
  readonly sessionId: number
  readonly placed: PlacedProperties
}

export interface InternedCall extends IdentityIds, NamedCall {
  readonly modelId: number
  readonly kindId: number
  readonly priceId: number
}

export function openInterning(db: Sqlite): Interning {
  const users = openDictionary(db, userTable)
  const sessions = openDictionary(db, sessionTable)
  const models = openDictionary(db, modelTable)
  const kinds = openDictionary(db, kindTable)
  const prices = openDictionary(db, priceTable)
  const subjects = openDictionary(db, subjectTable)
  const properties = openProperties(db)

  const internIdentities = async (identities: readonly Identity[]): Promise<IdentityIds[]> => {
    const { ids: userIds } = await users.intern(identities)
    const { ids: sessionIds } = await sessions.intern(identities.map(({ session }, n) => ({ session, userId: userIds[n] ?? 0 })))
    const placed = await properties.place(identities)
    return placed.map((place, n) => ({ userId: userIds[n] ?? 0, sessionId: sessionIds[n] ?? 0, placed: place }))
  }
  return {
    begin: () => properties.begin(),
    internIdentities,
    internSubjects: async (events) => (await subjects.intern(events)).ids,
    intern: async (calls) => {
      const identities = await internIdentities(calls.map(({ identity }) => identity))
      const { ids: modelIds } = await models.intern(calls)
      const { ids: kindIds } = await kinds.intern(calls)
      const { ids: priceIds } = await prices.intern(calls)
      return calls.map(({ call, identity, cost }, n) => {
        const { userId, sessionId, placed } = identities[n] ?? nobody
        return {
          call,
          identity,
          cost,
          userId,
          sessionId,
          placed,
          modelId: modelIds[n] ?? 0,
          kindId: kindIds[n] ?? 0,
          priceId: priceIds[n] ?? 0,
        }
      })
    },
    forget: () => {
      for (const dictionary of [users, sessions, models, kinds, prices, subjects, properties]) dictionary.forget()
    },
  }
}

/** Nobody with nothing. */
export const nobody: IdentityIds = { userId: 0, sessionId: 0, placed: { segmentId: 0, slots: undefined, overflow: null, featureId: 0 } }

/** The names of the rows with id 0; no user can be called so, see `readId`. */
const NOBODY = '(none)'

const userTable: DictionaryTable<Identity> = { table: 'users', id: 'user_id', columns: { name: ({ user }) => user ?? NOBODY } }

interface Sitting {
  readonly userId: number
  readonly session: string | undefined
}

const sessionTable: DictionaryTable<Sitting> = {
  table: 'sessions',
  id: 'session_id',
  columns: { user_id: ({ userId, session }) => (session === undefined ? 0 : userId), name: ({ session }) => session ?? NOBODY },
}

const modelTable: DictionaryTable<NamedCall> = {
  table: 'models',
  id: 'model_id',
  columns: {
    provider: ({ call }) => clean(call.provider),
    requested_model: ({ call }) => call.requestedModel,
    model: ({ call }) => call.model,
  },
}

const kindTable: DictionaryTable<NamedCall> = {
  table: 'kinds',
  id: 'kind_id',
  columns: {
    operation: ({ call }) => clean(call.operation),
    status: ({ call }) => call.status,
    error_class: ({ call }) => call.errorClass ?? '',
    error_type: ({ call }) => call.errorType ?? '',
    finish_reason: ({ call }) => call.finishReason ?? '',
    service_tier: ({ call }) => call.serviceTier ?? '',
    streamed: ({ call }) => (call.streamed ? 1 : 0),
    usage_quality: ({ call }) => call.usageQuality,
    origin: ({ call }) => call.origin,
  },
}

const priceTable: DictionaryTable<NamedCall> = { table: 'prices', id: 'price_id', columns: { price: ({ cost }) => priceText(cost) } }

const subjectTable: DictionaryTable<LedgerEvent> = {
  table: 'event_subjects',
  id: 'subject_id',
  columns: { kind: ({ kind }) => kind, name: ({ name }) => name, source: ({ source }) => source, origin: ({ origin }) => origin },
}

function clean(text: string): string {
  return text.isWellFormed() && !text.includes('\u0000') ? text : text.toWellFormed().replaceAll('\u0000', '\ufffd')
}

const priceTexts = new WeakMap<object, string>()

/** The price as JSON; the price book hands out one object per price, so each is written as text once. */
export function priceText(cost: Cost): string {
  if (cost.costNanoUsd === undefined) return `{"unpriced":"${cost.reason}"}`
  let text = priceTexts.get(cost.price)
  if (text === undefined) {
    text = JSON.stringify(cost.price)
    priceTexts.set(cost.price, text)
  }
  return text
}
