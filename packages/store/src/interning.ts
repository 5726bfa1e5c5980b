import type { Identity, LlmCall } from '@spanledger/conventions'
import type { Cost } from '@spanledger/pricing'

import { openDictionary, type Entry } from './dictionary.ts'
import { openProperties, type PlacedProperties } from './properties.ts'
import type { Sqlite } from './sqlite.ts'

/** Gives ids to all that repeats in calls. */
export interface Interning {
  /** Interns what the calls of a batch name. Inside a transaction. */
  intern(calls: readonly InternedCall[]): Promise<CallIds>
  internIdentities(identities: readonly Identity[]): Promise<IdentityIds>
  /** Forgets all ids: after a rollback they may be other ones. */
  forget(): void
}

export interface InternedCall {
  readonly call: LlmCall
  readonly identity: Identity
  readonly cost: Cost
}

export interface IdentityIds {
  ofIdentity(identity: Identity): { userId: number; sessionId: number }
  place(identity: Identity): PlacedProperties
}

export interface CallIds extends IdentityIds {
  ofCall(call: LlmCall, cost: Cost): { modelId: number; kindId: number; priceId: number }
}

export function openInterning(db: Sqlite): Interning {
  const users = openDictionary(db, { table: 'users', id: 'user_id', columns: ['name'] })
  const sessions = openDictionary(db, { table: 'sessions', id: 'session_id', columns: ['user_id', 'name'] })
  const models = openDictionary(db, { table: 'models', id: 'model_id', columns: ['provider', 'requested_model', 'model'] })
  const kinds = openDictionary(db, { table: 'kinds', id: 'kind_id', columns: kindColumns })
  const prices = openDictionary(db, { table: 'prices', id: 'price_id', columns: ['price'] })
  const properties = openProperties(db)

  const userOf = ({ user }: Identity): number => (user === undefined ? 0 : users.id([user]))
  const internIdentities = async (identities: readonly Identity[]): Promise<IdentityIds> => {
    await users.intern(identities.flatMap(({ user }) => (user === undefined ? [] : [[user]])))
    await sessions.intern(
      identities.flatMap((identity) => (identity.session === undefined ? [] : [[userOf(identity), identity.session]])),
    )
    return {
      ofIdentity: (identity) => ({
        userId: userOf(identity),
        sessionId: identity.session === undefined ? 0 : sessions.id([userOf(identity), identity.session]),
      }),
      place: await properties.intern(identities),
    }
  }
  return {
    internIdentities,
    intern: async (calls) => {
      const identityIds = await internIdentities(calls.map(({ identity }) => identity))
      await models.intern(calls.map(({ call }) => modelEntry(call)))
      await kinds.intern(calls.map(({ call }) => kindEntry(call)))
      await prices.intern(calls.map(({ cost }) => [priceText(cost)]))
      return {
        ...identityIds,
        ofCall: (call, cost) => ({
          modelId: models.id(modelEntry(call)),
          kindId: kinds.id(kindEntry(call)),
          priceId: prices.id([priceText(cost)]),
        }),
      }
    },
    forget: () => {
      for (const dictionary of [users, sessions, models, kinds, prices, properties]) dictionary.forget()
    },
  }
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
