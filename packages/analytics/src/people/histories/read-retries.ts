import { SESSION_DAY_MS } from '@spanledger/store'

import { findRetries, type RequestsOfFeature } from '../../behavior/retries.ts'
import { groupBy, type UserCall } from '../../behavior/user-call.ts'
import { compileAskedCalls, compileTriedAgain } from '../../plan/compile-users.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import type { Period } from '../../query/period.ts'
import { readColumns, readRows } from '../../ledger/snapshot.ts'
import { readKinds } from './read-kinds.ts'

/** What each retry repeats, by its id: the hex of trace and span. */
export type Retries = ReadonlyMap<string, UserCall>

/** Whether anything in the ledger says what is asked again; most ledgers have nothing that does. */
export async function hasFingerprints({ store }: Pick<Frame, 'store'>): Promise<boolean> {
  const [row] = await store.all<{ found: number }>(
    "SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'fingerprints') OR EXISTS (SELECT 1 FROM retried_calls) AS found",
  )
  return row?.found === 1
}

/**
 * The retries among the calls of a period, whatever a question is restricted to; what they repeat may have begun up to a day before it.
 * Reads the calls with fingerprints into memory. @returns undefined where nothing in the ledger says what is asked again
 */
export async function readRetries(frame: Frame, period: Period): Promise<Retries | undefined> {
  if (!(await hasFingerprints(frame))) return undefined
  const everybody = { ...frame, where: undefined, dimensions: [] }
  return findRetries(await readAsked(everybody, { fromMs: period.fromMs - SESSION_DAY_MS, toMs: period.toMs }))
}

async function readAsked(frame: Frame, period: Period): Promise<UserCall[]> {
  const kinds = await readKinds(frame.store)
  const [users = [], sessions = [], starts = [], latencies = [], kindIds = [], fingerprints = [], ids = [], retryOf = [], features = []] =
    await readColumns<number | string | null>(frame.store, compileAskedCalls(await scopeOf(frame, period)))
  return users.map((user, n): UserCall => {
    const startMs = Number(starts[n])
    const { operation = '', status = 'ok', errorClass, autoRetry } = kinds.get(Number(kindIds[n])) ?? {}
    const [fingerprint, of, feature] = [fingerprints[n], retryOf[n], features[n]]
    return {
      id: String(ids[n]),
      user: String(user),
      session: sessions[n] === 0 ? undefined : String(sessions[n]),
      startMs,
      endMs: startMs + Number(latencies[n]),
      timeToFirstTokenMs: undefined,
      feature: feature === null || feature === undefined ? undefined : String(feature),
      operation,
      status,
      errorClass,
      fingerprint: typeof fingerprint === 'number' ? fingerprint : undefined,
      retryOf: typeof of === 'string' ? of : undefined,
      autoRetry,
      isNested: false,
    }
  })
}

/** How many requests of each user in a period ask something once more, by id; undefined where nothing in the ledger says so. */
export async function readRetriesOfUsers(frame: Frame, period: Period): Promise<ReadonlyMap<number, number> | undefined> {
  const retries = await readRetries(frame, period)
  if (retries === undefined) return undefined
  const counts = new Map<number, number>()
  for (const { id, user } of await readAsked(frame, period)) {
    if (retries.has(id)) counts.set(Number(user), (counts.get(Number(user)) ?? 0) + 1)
  }
  return counts
}

/** The requests of users in the period by feature, and those that ask something once more; `isTold`: whether that can be known. */
export async function readRequestsByFeature(frame: Frame): Promise<{ features: readonly RequestsOfFeature[]; isTold: boolean }> {
  const rows = await readRows<
    [key: string | number | null, feature: string | null, requests: number, fingerprinted: number, tried: number]
  >(frame.store, compileTriedAgain(await scopeOf(frame, frame.period)))
  const retries = await readRetries(frame, frame.period)
  const asked = retries === undefined ? [] : await readAsked(frame, frame.period)
  const isRetried = new Set([...(retries ?? new Map<string, UserCall>()).values()].map(({ id }) => id))
  const byFeature = groupBy(asked, ({ feature }) => feature)
  return {
    features: rows.map(([key, feature, requests, fingerprinted, tried]): RequestsOfFeature => {
      const own = byFeature.get(key === null ? undefined : String(key)) ?? []
      return {
        feature: feature ?? undefined,
        requests,
        fingerprinted,
        repeated: own.flatMap(({ id }) => retries?.get(id) ?? []),
        retriedOriginals: own.filter(({ id }) => isRetried.has(id) && retries?.has(id) !== true).length,
        autoRetried: tried,
      }
    }),
    isTold: retries !== undefined,
  }
}
