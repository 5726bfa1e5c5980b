import type { Identity, LlmCall } from '@spanledger/conventions'
import type { Cost } from '@spanledger/pricing'

import { openDictionary, type Entry } from './dictionary.ts'
import { openProperties, type PlacedProperties } from './properties.ts'
import type { Sqlite } from './sqlite.ts'

/** Gives ids to all that repeats in calls. */
export interface Interning {
  /** The ids of what each call names, in order. Inside a transaction. */
  intern(calls: readonly NamedCall[]): Promise<InternedCall[]>
  internIdentities(identities: readonly Identity[]): Promise<IdentityIds[]>
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
  const users = openDictionary(db, { table: 'users', id: 'user_id', columns: ['name'] })
  const sessions = openDictionary(db, { table: 'sessions', id: 'session_id', columns: ['user_id', 'name'] })
  const models = openDictionary(db, { table: 'models', id: 'model_id', columns: ['provider', 'requested_model', 'model'] })
  const kinds = openDictionary(db, { table: 'kinds', id: 'kind_id', columns: kindColumns })
  const prices = openDictionary(db, { table: 'prices', id: 'price_id', columns: ['price'] })
  const properties = openProperties(db)

  const internIdentities = async (identities: readonly Identity[]): Promise<IdentityIds[]> => {
    const userIds = (await users.intern(identities.map(({ user }): Entry => [user ?? NOBODY]))).ids
    const sessionEntries = identities.map(({ session }, n): Entry => (session === undefined ? noSession : [userIds[n] ?? 0, session]))
    const sessionIds = (await sessions.intern(sessionEntries)).ids
    const placed = await properties.place(identities)
    return placed.map((place, n) => ({ userId: userIds[n] ?? 0, sessionId: sessionIds[n] ?? 0, placed: place }))
  }
  return {
    internIdentities,
    intern: async (calls) => {
      const identities = await internIdentities(calls.map(({ identity }) => identity))
      const modelIds = (await models.intern(calls.map(({ call }) => modelEntry(call)))).ids
      const kindIds = (await kinds.intern(calls.map(({ call }) => kindEntry(call)))).ids
      const priceIds = (await prices.intern(calls.map(({ cost }) => [priceText(cost)]))).ids
      return calls.map((named, n) => ({
        ...named,
        ...(identities[n] ?? nobody),
        modelId: modelIds[n] ?? 0,
        kindId: kindIds[n] ?? 0,
        priceId: priceIds[n] ?? 0,
      }))
    },
    forget: () => {
      for (const dictionary of [users, sessions, models, kinds, prices, properties]) dictionary.forget()
    },
  }
}

/** Nobody with nothing. */
export const nobody: IdentityIds = { userId: 0, sessionId: 0, placed: { segmentId: 0, slots: undefined, overflow: null, featureId: 0 } }

/** The names of the rows with id 0; no user can be called so, see `readId`. */
const NOBODY = '(none)'
const noSession: Entry = [0, '(none)']

const kindColumns = [
  'operation',
  'status',
  'error_class',
  'error_type',
  'finish_reason',
  'service_tier',
  'streamed',
  'usage_quality',
  'origin',
] as const

function modelEntry({ provider, requestedModel, model }: LlmCall): Entry {
  return [clean(provider), requestedModel, model]
}

function kindEntry(call: LlmCall): Entry {
  return [
    clean(call.operation),
    call.status,
    call.errorClass ?? '',
    call.errorType ?? '',
    call.finishReason ?? '',
    call.serviceTier ?? '',
    call.streamed ? 1 : 0,
    call.usageQuality,
    call.origin,
  ]
}

function clean(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\ufffd')
}

const priceTexts = new WeakMap<object, string>()

/** The price as JSON; the price book hands out one object per price, so each is written as text once. */
function priceText(cost: Cost): string {
  if (cost.costNanoUsd === undefined) return JSON.stringify({ unpriced: cost.reason })
  let text = priceTexts.get(cost.price)
  if (text === undefined) {
    text = JSON.stringify(cost.price)
    priceTexts.set(cost.price, text)
  }
  return text
}
