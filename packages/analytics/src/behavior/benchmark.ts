import { mean, median, percentileRank, sum } from '../statistics/quantiles.ts'
import { ratio } from './session-metrics.ts'
import { groupBy } from '../sums/group-by.ts'

/** A user with what is compared. */
export interface BenchmarkUser {
  readonly user: string
  /** Undefined for users of no tier, who are peers of each other. */
  readonly tier: string | undefined
  /** Local days since the first call. */
  readonly tenureDays: number
  readonly requests: number
  /** Goals reached; null where that is not known. */
  readonly goals: number | null
  /** Different features used. */
  readonly features: number
  /** From 0 to 10; null for who said nothing. */
  readonly satisfaction: number | null
}

/** A user beside its peers: those of the same tier that have been there about as long, itself among them. */
export interface Benchmark extends BenchmarkUser {
  readonly tenure: Tenure
  readonly peers: number
  /** Fewer peers than may be told of; then all that follows is null, but for what is the user's own. */
  readonly isSuppressed: boolean
  readonly requestsPercentile: number | null
  readonly requestsToMedian: number | null
  readonly requestsPerGoal: number | null
  readonly peerRequestsPerGoal: number | null
  readonly peerFeaturesMedian: number | null
  readonly featuresToMedian: number | null
  readonly satisfactionDelta: number | null
}

type Tenure = '<30 d' | '30-90 d' | '>90 d'

/** Of fewer users than this nothing is told: each could be guessed. */
export const MIN_PEERS = 10

export function benchmark(users: readonly BenchmarkUser[], minPeers = MIN_PEERS): Benchmark[] {
  const groups = groupBy(users, ({ tier, tenureDays }) => JSON.stringify([tier ?? null, tenureOf(tenureDays)]))
  return [...groups.values()].flatMap((peers) => {
    const facts = factsOf(peers, minPeers)
    return peers.map((one) => beside(one, facts))
  })
}

function tenureOf(days: number): Tenure {
  return days < 30 ? '<30 d' : days <= 90 ? '30-90 d' : '>90 d'
}

interface PeerFacts {
  readonly requests: readonly number[]
  readonly isSuppressed: boolean
  readonly medianRequests: number | null
  readonly requestsPerGoal: number | null
  readonly medianFeatures: number | null
  /** The mean over users who said anything; null of fewer than may be told of. */
  readonly satisfaction: number | null
}

function factsOf(peers: readonly BenchmarkUser[], minPeers: number): PeerFacts {
  const requests = peers.map((one) => one.requests)
  const rated = peers.flatMap(({ satisfaction }) => satisfaction ?? [])
  const isSuppressed = peers.length < minPeers
  return {
    requests,
    isSuppressed,
    medianRequests: isSuppressed ? null : median(requests),
    requestsPerGoal: isSuppressed ? null : ratio(sum(requests), sum(peers.map(({ goals }) => goals ?? 0))),
    medianFeatures: isSuppressed ? null : median(peers.map(({ features }) => features)),
    satisfaction: rated.length < minPeers ? null : mean(rated),
  }
}

function beside(user: BenchmarkUser, facts: PeerFacts): Benchmark {
  const { requests, goals, features, satisfaction } = user
  return {
    ...user,
    tenure: tenureOf(user.tenureDays),
    peers: facts.requests.length,
    isSuppressed: facts.isSuppressed,
    requestsPercentile: facts.isSuppressed ? null : percentileRank(facts.requests, requests),
    requestsToMedian: toPeers(requests, facts.medianRequests),
    requestsPerGoal: ratio(requests, goals ?? 0),
    peerRequestsPerGoal: facts.requestsPerGoal,
    peerFeaturesMedian: facts.medianFeatures,
    featuresToMedian: toPeers(features, facts.medianFeatures),
    satisfactionDelta: satisfaction === null || facts.satisfaction === null ? null : satisfaction - facts.satisfaction,
  }
}

function toPeers(value: number, middle: number | null): number | null {
  return middle === null ? null : ratio(value, middle)
}
