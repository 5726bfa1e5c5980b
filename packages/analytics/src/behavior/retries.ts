import { groupBy, inOrder, type UserCall } from './user-call.ts'

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
