import type { Identity, LlmCall } from '@spanledger/conventions'
import type { Cost } from '@spanledger/pricing'

import { openDictionary, type Entry, type Wording } from './dictionary.ts'
import { openProperties, type PlacedProperties } from './properties.ts'
import type { Sqlite } from './sqlite.ts'

/** Gives ids to all that repeats in calls. */
export interface Interning {
  /** At the start of each transaction. */
  begin(): Promise<void>
  /** The ids of what each call names, in order. Inside a transaction that was begun. */
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
  const users = openDictionary<Identity>(
    db,
    { table: 'users', id: 'user_id', columns: ['name'] },
    { key: userName, entry: (who) => [userName(who)] },
  )
  const sessions = openDictionary<Sitting>(db, { table: 'sessions', id: 'session_id', columns: ['user_id', 'name'] }, sitting)
  const models = openDictionary<NamedCall>(
    db,
    { table: 'models', id: 'model_id', columns: ['provider', 'requested_model', 'model'] },
    model,
  )
  const kinds = openDictionary<NamedCall>(db, { table: 'kinds', id: 'kind_id', columns: kindColumns }, kind)
  const prices = openDictionary<NamedCall>(db, { table: 'prices', id: 'price_id', columns: ['price'] }, price)
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
      for (const dictionary of [users, sessions, models, kinds, prices, properties]) dictionary.forget()
    },
  }
}

/** Nobody with nothing. */
export const nobody: IdentityIds = { userId: 0, sessionId: 0, placed: { segmentId: 0, slots: undefined, overflow: null, featureId: 0 } }

/** The names of the rows with id 0; no user can be called so, see `readId`. */
const NOBODY = '(none)'

function userName({ user }: Identity): string {
  return user ?? NOBODY
}

interface Sitting {
  readonly userId: number
  readonly session: string | undefined
}

const sitting: Wording<Sitting> = {
  key: ({ userId, session }) => (session === undefined ? `0\u0000${NOBODY}` : `${userId}\u0000${session}`),
  entry: ({ userId, session }) => (session === undefined ? [0, NOBODY] : [userId, session]),
}

const model: Wording<NamedCall> = {
  key: ({ call }) => `${clean(call.provider)}\u0000${call.requestedModel}\u0000${call.model}`,
  entry: ({ call }) => [clean(call.provider), call.requestedModel, call.model],
}

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

const kindEntry = ({ call }: NamedCall): Entry => [
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
const kind: Wording<NamedCall> = {
  key: ({ call }) =>
    `${clean(call.operation)}\u0000${call.status}\u0000${call.errorClass ?? ''}\u0000${call.errorType ?? ''}\u0000${call.finishReason ?? ''}\u0000${call.serviceTier ?? ''}\u0000${call.streamed ? 1 : 0}\u0000${call.usageQuality}\u0000${call.origin}`,
  entry: kindEntry,
}

const price: Wording<NamedCall> = { key: ({ cost }) => priceText(cost), entry: ({ cost }) => [priceText(cost)] }

function clean(text: string): string {
  return text.isWellFormed() && !text.includes('\u0000') ? text : text.toWellFormed().replaceAll('\u0000', '\ufffd')
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
