import { ratio } from './session-metrics.ts'
import { groupBy, inOrder, issueName, type UserCall } from './user-call.ts'

/** A retry comes at most this long after the end of what it repeats. */
const RETRY_WITHIN_MS = 300_000

/**
 * Which calls ask once more what the same user asked before: those of which the app says so; else same fingerprint and feature, same
 * session where both have one, from 0 to 5 minutes after the end of the earlier one (the latest such). Calls that overlap are
 * fan-out, not retries; calls without a fingerprint are none, nor are those with which a program tried again.
 * @returns what each retry repeats, by its id
 */
export function findRetries(calls: readonly UserCall[]): ReadonlyMap<string, UserCall> {
  const retried = new Map<string, UserCall>()
  const asked = calls.filter(({ fingerprint, autoRetry }) => fingerprint !== undefined && autoRetry !== 'itself')
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
  for (const [id, original] of saidRetries(calls)) retried.set(id, original)
  return retried
}

/** What apps say wins, whatever the time between; of calls that are not among these nothing is known. */
function saidRetries(calls: readonly UserCall[]): (readonly [string, UserCall])[] {
  const said = calls.filter(({ retryOf }) => retryOf !== undefined)
  if (said.length === 0) return []
  const byId = new Map(calls.map((call) => [call.id, call]))
  return said.flatMap(({ id, retryOf = '' }) => {
    const original = byId.get(retryOf)
    return original === undefined || original.id === id ? [] : [[id, original] as const]
  })
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

/** The requests of a feature, and those among them that are retries. */
export interface RequestsOfFeature {
  /** Undefined for calls without one. */
  readonly feature: string | undefined
  readonly requests: number
  /** Of these, how many say what was asked: among them retries are found. */
  readonly fingerprinted: number
  /** What each retry among them repeats. */
  readonly repeated: readonly UserCall[]
  /** Requests that are no retries and were repeated. */
  readonly retriedOriginals: number
  /** Requests that a program tried again, or that are such a try. */
  readonly autoRetried: number
}

/** Requests by feature. */
export function requestsByFeature(calls: readonly UserCall[], retries: ReadonlyMap<string, UserCall>): RequestsOfFeature[] {
  const isRetried = new Set([...retries.values()].map(({ id }) => id))
  return [...groupBy(calls, ({ feature }) => feature)].map(([feature, own]) => ({
    feature,
    requests: own.length,
    fingerprinted: own.filter(({ fingerprint }) => fingerprint !== undefined).length,
    repeated: own.flatMap(({ id }) => retries.get(id) ?? []),
    retriedOriginals: own.filter(({ id }) => isRetried.has(id) && !retries.has(id)).length,
    autoRetried: own.filter(({ autoRetry }) => autoRetry !== undefined).length,
  }))
}

/** The feature whose calls are repeated most; those with fewer requests than `minRequests` are left out. */
export function mostRetried(features: readonly RequestsOfFeature[], { minRequests = 20 } = {}): FeatureRetries | null {
  let most: FeatureRetries | null = null
  const named = features.flatMap(({ feature, ...rest }) => (feature === undefined ? [] : [{ feature, ...rest }]))
  for (const { feature, requests, repeated } of named.sort((a, b) => (a.feature < b.feature ? -1 : 1))) {
    const rate = repeated.length / requests
    if (requests < minRequests || repeated.length === 0 || rate <= (most?.rate ?? 0)) continue
    most = { feature, requests, retries: repeated.length, rate, issues: issuesOf(repeated) }
  }
  return most
}

/** What became of requests that were repeated, the two commonest. */
export function issuesOf(repeated: readonly UserCall[]): string[] {
  const counts = [...groupBy(repeated, ({ errorClass }) => issueName(errorClass))].map(([name, own]) => ({ name, count: own.length }))
  return counts
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, 2)
    .map(({ name }) => name)
}

/** How often requests are repeated. Rates are null where nothing can be told, as long as no call has a fingerprint. */
export interface RetryRates {
  readonly requests: number
  readonly fingerprinted: number
  readonly retries: number
  readonly retryRate: number | null
  /** Requests that were repeated, of those that are no retries. */
  readonly retriedRequestRate: number | null
  /** Retries of a request that failed; the others are of answers that did not please. */
  readonly afterError: number
  readonly autoRetryRate: number | null
}

export function retryRates(features: readonly RequestsOfFeature[], { isTold }: { isTold: boolean }): RetryRates {
  const sum = (of: (feature: RequestsOfFeature) => number): number => features.reduce((total, feature) => total + of(feature), 0)
  const requests = sum((feature) => feature.requests)
  const retries = sum(({ repeated }) => repeated.length)
  return {
    requests,
    fingerprinted: sum(({ fingerprinted }) => fingerprinted),
    retries,
    retryRate: isTold ? ratio(retries, requests) : null,
    retriedRequestRate: isTold
      ? ratio(
          sum(({ retriedOriginals }) => retriedOriginals),
          requests - retries,
        )
      : null,
    afterError: sum(({ repeated }) => repeated.filter(({ status }) => status !== 'ok').length),
    autoRetryRate: ratio(
      sum(({ autoRetried }) => autoRetried),
      requests,
    ),
  }
}
