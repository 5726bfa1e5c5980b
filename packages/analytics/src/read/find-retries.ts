import { groupBy } from '../sums/group-by.ts'
import { inOrder, type AskedCall } from './asked-call.ts'

/** A retry comes at most this long after the end of what it repeats. */
const RETRY_WITHIN_MS = 300_000

/**
 * Which calls ask once more what the same user asked before: those of which the app says so; else same fingerprint and feature, same
 * session where both have one, from 0 to 5 minutes after the end of the earlier one (the latest such). Calls that overlap are
 * fan-out, not retries; calls without a fingerprint are none, nor are those with which a program tried again.
 * @returns what each retry repeats, by its id
 */
export function findRetries<Call extends AskedCall>(calls: readonly Call[]): ReadonlyMap<string, Call> {
  const retried = new Map<string, Call>()
  const asked = calls.filter(({ fingerprint, autoRetry }) => fingerprint !== undefined && autoRetry !== 'itself')
  for (const same of groupBy(asked, ({ user, fingerprint, feature }) => JSON.stringify([user, fingerprint, feature])).values()) {
    const ordered = inOrder(same)
    // The latest end up to each: before one that is too long ago there is none that is not.
    const latestEnds: number[] = []
    for (const { endMs } of ordered) latestEnds.push(Math.max(endMs, latestEnds.at(-1) ?? endMs))
    for (const [n, call] of ordered.entries()) {
      let latest: Call | undefined
      for (let before = n - 1; before >= 0; before--) {
        const earlier = ordered[before]
        if (earlier === undefined || call.startMs - (latestEnds[before] ?? 0) > RETRY_WITHIN_MS) break
        const gapMs = call.startMs - earlier.endMs
        if (gapMs < 0 || gapMs > RETRY_WITHIN_MS || !mayBeOneSession(call, earlier)) continue
        if (latest === undefined || earlier.endMs > latest.endMs) latest = earlier
      }
      if (latest !== undefined) retried.set(call.id, latest)
    }
  }
  for (const [id, original] of saidRetries(calls)) retried.set(id, original)
  return retried
}

/** What apps say wins, whatever the time between; of calls that are not among these nothing is known. */
function saidRetries<Call extends AskedCall>(calls: readonly Call[]): (readonly [string, Call])[] {
  const said = calls.filter(({ retryOf }) => retryOf !== undefined)
  if (said.length === 0) return []
  const byId = new Map(calls.map((call) => [call.id, call]))
  return said.flatMap(({ id, retryOf = '' }) => {
    const original = byId.get(retryOf)
    return original === undefined || original.id === id ? [] : [[id, original] as const]
  })
}

function mayBeOneSession(a: AskedCall, b: AskedCall): boolean {
  return a.session === undefined || b.session === undefined || a.session === b.session
}
