import { isMessageOperation, SESSION_DAY_MS, type Store } from '@spanledger/store'

import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import { readColumns, readRows } from '../ledger/snapshot.ts'
import { compileBase } from '../plan/compile.ts'
import { compileAskedCalls } from '../plan/compile-users.ts'
import type { Key, Scope } from '../plan/scope.ts'
import type { Dimension } from '../query/dimensions.ts'
import { backwards } from '../query/period.ts'
import type { Group } from '../sums/group.ts'
import type { AskedCall } from './asked-call.ts'
import { findRetries } from './find-retries.ts'
import { readKinds } from './read-kinds.ts'

/** What a reader should know where nothing is told of retries. */
export const withoutFingerprints =
  'repeated requests are not told: no call has a fingerprint of what was asked (fingerprintKey of LlmInstrumentation, SPANLEDGER_FINGERPRINT_KEY)'

/** What each retry repeats, by its id: the hex of trace and span. */
export type Retries = ReadonlyMap<string, AskedCall>

/** Whether anything in the ledger says what is asked again; most ledgers have nothing that does. */
export async function hasFingerprints({ store }: { readonly store: Store }): Promise<boolean> {
  const [row] = await store.all<{ found: number }>(
    "SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'fingerprints') OR EXISTS (SELECT 1 FROM retried_calls) AS found",
  )
  return row?.found === 1
}

/**
 * The retries among the calls of a scope's period, whatever else it is restricted to; what they repeat may have begun up to a day
 * before it, or, where the app says what they repeat, at any time. Reads the calls with fingerprints into memory. @returns undefined where nothing in the ledger says what is asked again
 */
export async function readRetries(store: Store, scope: Scope): Promise<Retries | undefined> {
  if (!(await hasFingerprints({ store }))) return undefined
  const { catalog, memberships, offsets, timeZone, period } = scope
  const everybody: Scope = {
    catalog,
    memberships,
    latest: new Map(),
    offsets,
    timeZone,
    period: { fromMs: period.fromMs - SESSION_DAY_MS, toMs: period.toMs },
    where: undefined,
    buckets: undefined,
    traitTimes: new Map(),
    attribution: undefined,
    lists: new Map(),
  }
  const asked = await readAsked(store, everybody)
  return findRetries([...asked, ...(await readEarlier(store, everybody, asked))])
}

/** What the app says that calls repeat, of what began before the time that is looked at: seldom anything, and then from its end backwards. */
async function readEarlier(store: Store, everybody: Scope, asked: readonly AskedCall[]): Promise<AskedCall[]> {
  const known = new Set(asked.map(({ id }) => id))
  const wanted = new Set(asked.flatMap(({ retryOf }) => (retryOf === undefined || known.has(retryOf) ? [] : [retryOf])))
  const found: AskedCall[] = []
  if (wanted.size === 0) return found
  const [first] = await store.all<{ ms: number | null }>('SELECT min(start_ms) AS ms FROM llm_calls')
  const toMs = everybody.period.fromMs
  for (const period of backwards({ fromMs: first?.ms ?? toMs, toMs })) {
    if (wanted.size === 0) break
    for (const call of await readAsked(store, { ...everybody, period }, isOneOf(wanted))) {
      wanted.delete(call.id)
      found.push(call)
    }
  }
  return found
}

/** The calls of a scope of which can be told whether they ask something once more, and those that they may repeat. */
export async function readAsked(store: Store, scope: Scope, only?: Fragment): Promise<AskedCall[]> {
  const kinds = await readKinds(store)
  const [users = [], sessions = [], starts = [], latencies = [], kindIds = [], fingerprints = [], ids = [], retryOf = [], features = []] =
    await readColumns<number | string | null>(store, compileAskedCalls(scope, only))
  return users.map((user, n): AskedCall => {
    const startMs = Number(starts[n])
    const { operation = '', status = 'ok', errorClass, autoRetry } = kinds.get(Number(kindIds[n])) ?? {}
    const [fingerprint, of, feature] = [fingerprints[n], retryOf[n], features[n]]
    return {
      id: String(ids[n]),
      user: String(user),
      session: sessions[n] === 0 ? undefined : String(sessions[n]),
      startMs,
      endMs: startMs + Number(latencies[n]),
      feature: feature === null || feature === undefined ? undefined : String(feature),
      operation,
      status,
      errorClass,
      fingerprint: typeof fingerprint === 'number' ? fingerprint : undefined,
      retryOf: typeof of === 'string' ? of : undefined,
      autoRetry,
    }
  })
}

/** The requests of users in a group, and how many of them ask something once more. */
export interface FoundRetries {
  readonly keys: readonly Key[]
  readonly retries: NonNullable<Group['retries']>
}

/** Retries by group; groups without calls of users are left out. @returns undefined where nothing in the ledger says what is asked again */
export async function readRetryGroups(
  store: Store,
  scope: Scope,
  dimensions: readonly Dimension[],
): Promise<readonly FoundRetries[] | undefined> {
  const retries = await readRetries(store, scope)
  if (retries === undefined) return undefined
  const found = await countCalls(store, scope, { dimensions, whether: isOneOf(retries.keys()), only: sql`c.user_id <> 0` })
  return found.map(({ keys, all, counted }) => ({ keys, retries: { requests: all, retries: counted } }))
}

/** Requests by group that a user's message stands behind; groups without calls are left out. */
export async function readMessageGroups(
  store: Store,
  scope: Scope,
  dimensions: readonly Dimension[],
): Promise<readonly { readonly keys: readonly Key[]; readonly messages: number }[]> {
  const retries = await readRetries(store, scope)
  const kinds = [...(await readKinds(store))].flatMap(([id, { operation }]) => (isMessageOperation(operation) ? [id] : []))
  const isMessage = sql`c.kind_id IN (SELECT value FROM json_each(${JSON.stringify(kinds)}))`
  const whether = retries === undefined ? isMessage : sql`(${isMessage} AND NOT ${isOneOf(retries.keys())})`
  const found = await countCalls(store, scope, { dimensions, whether, only: raw('true') })
  return found.map(({ keys, counted }) => ({ keys, messages: counted }))
}

/** Of a trace id, in the id of a call. */
const TRACE_DIGITS = 32

/** Whether a call, alias `c`, is one of some, by their ids: the hex of trace and span. */
export function isOneOf(ids: Iterable<string>): Fragment {
  const spans = JSON.stringify([...ids].map((id) => [id.slice(0, TRACE_DIGITS), id.slice(TRACE_DIGITS)]))
  return sql`(c.span_id, c.trace_id) IN (SELECT unhex(value->>1), unhex(value->>0) FROM json_each(${spans}))`
}

/** How many calls of each group there are, of those that `only` lets through, and of how many of these `whether` holds. */
async function countCalls(
  store: Store,
  scope: Scope,
  { dimensions, whether, only }: { dimensions: readonly Dimension[]; whether: Fragment; only: Fragment },
): Promise<{ keys: Key[]; all: number; counted: number }[]> {
  const base = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const aliases = dimensions.map((_, n) => `k${n}`)
  const rows = await readRows<Key[]>(
    store,
    sql`SELECT json_group_array(json_array(${raw([...aliases, 'n', 'counted'].join(', '))})) AS rows FROM (
      SELECT ${raw([...aliases, 'count(*) AS n', 'sum(holds) AS counted'].join(', '))}
      FROM (SELECT ${join([...base.keys, sql`${whether} AS holds`], ', ')} ${base.from} AND ${only})
      ${base.groupBy(aliases)} HAVING count(*) > 0)`,
  )
  return rows.map((row) => {
    const [all = 0, counted = 0] = row.slice(dimensions.length).map(Number)
    return { keys: row.slice(0, dimensions.length), all, counted }
  })
}
