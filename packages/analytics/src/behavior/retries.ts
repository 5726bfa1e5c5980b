import { groupBy, inOrder, issueName, type UserCall } from './user-call.ts'

/** A retry comes at most this long after the end of what it repeats. */
const RETRY_WITHIN_MS = 300_000

/**
 * Which calls ask once more what the same user asked before: same fingerprint and feature, same session where both have one,
 * from 0 to 5 minutes after the end of the earlier one (the latest such). Calls that overlap are fan-out, not retries; calls
 * without a fingerprint are none. @returns what each retry repeats, by its id
 */
export function findRetries(calls: readonly UserCall[]): ReadonlyMap<string, UserCall> {
  const retried = new Map<string, UserCall>()
  const asked = calls.filter(({ fingerprint }) => fingerprint !== undefined)
  for (const same of groupBy(asked, ({ user, fingerprint, feature }) => JSON.stringify([user, fingerprint, feature])).values()) {
    const ordered = inOrder(same)
    for (const [n, call] of ordered.entries()) {
      let latest: UserCall | undefined
      for (let before = n - 1; before >= 0; before--) {
        const earlier = ordered[before]
        if (earlier === undefined) break
        const gapMs = call.startMs - earlier.endMs
        if (gapMs < 0 || gapMs > RETRY_WITHIN_MS || !mayBeOneSession(call, earlier)) continue
        if (latest === undefined || earlier.endMs > latest.endMs) latest = earlier
      }
      if (latest !== undefined) retried.set(call.id, latest)
    }
  }
  return retried
}

function mayBeOneSession(a: UserCall, b: UserCall): boolean {
  return a.session === undefined || b.session === undefined || a.session === b.session
}

/** The feature whose requests are repeated most. */
export interface FeatureRetries {
  readonly feature: string
  readonly requests: number
  readonly retries: number
  readonly rate: number
  /** What became of the requests that were repeated, the two commonest. */
  readonly issues: readonly string[]
}

/** The feature whose calls are repeated most; those with fewer requests than `minRequests` are left out. */
export function mostRetried(
  calls: readonly UserCall[],
  { retries, minRequests = 20 }: { readonly retries: ReadonlyMap<string, UserCall>; readonly minRequests?: number },
): FeatureRetries | null {
  let most: FeatureRetries | null = null
  const byFeature = groupBy(
    calls.filter(({ feature }) => feature !== undefined),
    ({ feature }) => feature ?? '',
  )
  for (const [feature, own] of [...byFeature].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const repeated = own.flatMap(({ id }) => retries.get(id) ?? [])
    const rate = repeated.length / own.length
    if (own.length < minRequests || repeated.length === 0 || rate <= (most?.rate ?? 0)) continue
    most = {
      feature,
      requests: own.length,
      retries: repeated.length,
      rate,
      issues: commonest(repeated.map(({ errorClass }) => issueName(errorClass))),
    }
  }
  return most
}

function commonest(names: readonly string[]): string[] {
  const counts = [...groupBy(names, (name) => name)].map(([name, own]) => ({ name, count: own.length }))
  return counts
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, 2)
    .map(({ name }) => name)
}
