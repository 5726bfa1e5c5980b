import type { RequestsOfFeature } from '../../behavior/retries.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { compileTriedAgain } from '../../plan/compile-users.ts'
import type { Period } from '../../query/period.ts'
import type { AskedCall } from '../../read/asked-call.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readAsked, readRetries } from '../../read/read-retries.ts'
import { groupBy } from '../../sums/group-by.ts'

/** How many requests of each user in a period ask something once more, by id; undefined where nothing in the ledger says so. */
export async function readRetriesOfUsers(frame: Frame, period: Period): Promise<ReadonlyMap<number, number> | undefined> {
  const scope = await scopeOf(frame, period)
  const retries = await readRetries(frame.store, scope)
  if (retries === undefined) return undefined
  const counts = new Map<number, number>()
  for (const { id, user } of await readAsked(frame.store, scope)) {
    if (retries.has(id)) counts.set(Number(user), (counts.get(Number(user)) ?? 0) + 1)
  }
  return counts
}

/** The requests of users in the period by feature, and those that ask something once more; `isTold`: whether that can be known. */
export async function readRequestsByFeature(frame: Frame): Promise<{ features: readonly RequestsOfFeature[]; isTold: boolean }> {
  const scope = await scopeOf(frame, frame.period)
  const rows = await readRows<
    [key: string | number | null, feature: string | null, requests: number, fingerprinted: number, tried: number]
  >(frame.store, compileTriedAgain(scope))
  const retries = await readRetries(frame.store, scope)
  const asked = retries === undefined ? [] : await readAsked(frame.store, scope)
  const isRetried = new Set([...(retries ?? new Map<string, AskedCall>()).values()].map(({ id }) => id))
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
