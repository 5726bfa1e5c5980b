import type { AskedCall } from '../read/asked-call.ts'
import { groupBy } from '../sums/group-by.ts'
import { ratio } from './session-metrics.ts'
import { issueName } from './user-call.ts'

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
  readonly repeated: readonly AskedCall[]
  /** Requests that are no retries and were repeated. */
  readonly retriedOriginals: number
  /** Requests that a program tried again, or that are such a try. */
  readonly autoRetried: number
}

/** Requests by feature. */
export function requestsByFeature(calls: readonly AskedCall[], retries: ReadonlyMap<string, AskedCall>): RequestsOfFeature[] {
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
export function issuesOf(repeated: readonly AskedCall[]): string[] {
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
  /** Requests that were repeated and are no retries, and those that a program tried again. */
  readonly retriedOriginals: number
  readonly autoRetried: number
}

export function retryRates(features: readonly RequestsOfFeature[], { isTold }: { isTold: boolean }): RetryRates {
  const sum = (of: (feature: RequestsOfFeature) => number): number => features.reduce((total, feature) => total + of(feature), 0)
  const requests = sum((feature) => feature.requests)
  const retries = sum(({ repeated }) => repeated.length)
  const retriedOriginals = sum((feature) => feature.retriedOriginals)
  const autoRetried = sum((feature) => feature.autoRetried)
  return {
    requests,
    fingerprinted: sum(({ fingerprinted }) => fingerprinted),
    retries,
    retryRate: isTold ? ratio(retries, requests) : null,
    retriedRequestRate: isTold ? ratio(retriedOriginals, requests - retries) : null,
    afterError: sum(({ repeated }) => repeated.filter(({ status }) => status !== 'ok').length),
    autoRetryRate: ratio(autoRetried, requests),
    retriedOriginals,
    autoRetried,
  }
}
