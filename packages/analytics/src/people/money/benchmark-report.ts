import { benchmark, MIN_PEERS, type BenchmarkUser } from '../../behavior/benchmark.ts'
import { columnKey, type Dimension } from '../../query/dimensions.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { metricTable } from '../../query/metrics.ts'
import { readSaid } from '../../read/read-said.ts'
import type { FoundGroup } from '../../read/found-groups.ts'
import { backwards } from '../../query/period.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readFirstSeen } from '../../ledger/seen-users.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { QueryError } from '../../query/query-error.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readTiers } from '../histories/read-tiers.ts'
import { tierKeys } from '../histories/tier-keys.ts'
import { parseTiersText } from '../../segments/tiers.ts'

const USER: Dimension = { kind: 'column', name: 'user' }

/** Each user of the period beside its peers. Who is asked for decides which rows there are, not who the peers are. */
export async function tellBenchmark({ frame, everybody, property, options }: PeopleAsked): Promise<Told> {
  if (property !== undefined && options['tiers'] !== undefined)
    throw new QueryError('Peers are of the same tier, either of tiers or of what by names. Leave one of them out.', { given: 'tiers' })
  const tierBy = property ?? tierProperty(frame)
  const tierOf =
    options['tiers'] === undefined
      ? await readLatestValues(everybody, tierBy, await readUserIds(everybody))
      : new Map(
          [...(await readTiers({ ...everybody, where: undefined }, parseTiersText(options['tiers'])))].map(([userId, { name }]) => [
            userId,
            name,
          ]),
        )
  const rows = benchmark(await readUsers(everybody, tierOf))
  const asked = await readGroups(frame.store, await scopeOf(frame, frame.period), { dimensions: [USER], metrics: ['requests'] })
  const isAsked = new Set(asked.map(({ labels }) => String(labels[0])))
  return {
    columns,
    rows: rows
      .filter(({ user }) => isAsked.has(user))
      .toSorted((a, b) => b.requests - a.requests || (a.user < b.user ? -1 : 1))
      .map((row) => ({
        user: row.user,
        tier: row.tier ?? null,
        tenure: row.tenure,
        tenure_days: row.tenureDays,
        peers: row.peers,
        suppressed: row.isSuppressed,
        requests: row.requests,
        requests_percentile: row.requestsPercentile,
        requests_to_median: row.requestsToMedian,
        goals: row.goals,
        requests_per_goal: row.requestsPerGoal,
        peer_requests_per_goal: row.peerRequestsPerGoal,
        features: row.features,
        peer_features_median: row.peerFeaturesMedian,
        features_to_median: row.featuresToMedian,
        satisfaction: row.satisfaction,
        satisfaction_delta: row.satisfactionDelta,
      })),
    warnings: [
      options['tiers'] !== undefined
        ? 'peers are of the same tier of --tiers'
        : tierBy === undefined
          ? 'no call has a property "plan", "tier", "user_tier" or "usertier": peers are all users that have been there about as long; name another with --by property:KEY'
          : `peers have the same "${columnKey(tierBy)}"; name another property with --by property:KEY, or tiers with --tiers FILE`,
    ],
  }
}

const columns = {
  user: ['User', 'string', 'users with a call in the period'],
  tier: [
    'Tier',
    'string',
    'of --tiers, else the latest value of the property of --by (with --by segment: power, casual, …), else of plan, tier, user_tier or usertier',
  ],
  tenure: ['Tenure', 'string', 'how long ago the first call was: <30 d, 30-90 d, >90 d'],
  tenure_days: ['Days', 'int', 'local days since the first call'],
  peers: ['Peers', 'int', 'users of the same tier and tenure, this one among them'],
  suppressed: ['Suppressed', 'bool', `fewer than ${MIN_PEERS} peers: nothing is said of them`],
  requests: [metricTable.requests.label, 'int', metricTable.requests.says],
  requests_percentile: ['Percentile', 'number', 'of 100 peers so many made fewer calls, those with as many counted half (midrank)'],
  requests_to_median: ['Requests x median', 'number', 'requests / median of the peers'],
  goals: ['Goals', 'int', 'goals reached (track.goal), of each goal and target the latest; null with a filter by what only calls have'],
  requests_per_goal: ['Requests/goal', 'number', 'requests / goals; null without goals'],
  peer_requests_per_goal: ['Peers/goal', 'number', 'all requests of the peers / all their goals'],
  features: ['Features', 'int', 'different values of the property "feature"'],
  peer_features_median: ['Peers features', 'number', 'median of the features of the peers'],
  features_to_median: ['Features x median', 'number', 'features / peer_features_median'],
  satisfaction: ['Satisfaction', 'number', 'mean of what the user rated, from 0 to 10'],
  satisfaction_delta: [
    'Against peers',
    'number',
    `satisfaction less the mean over peers of the mean of each; null where fewer than ${MIN_PEERS} of them rated`,
  ],
} as const satisfies Told['columns']

function tierProperty({ catalog }: Frame): Dimension | undefined {
  const key = tierKeys.find((one) => catalog.keys.has(one))
  return key === undefined ? undefined : { kind: 'property', key }
}

/** The value on the last call of each user that has one; empty texts are none. All history decides, as with tiers. */
async function readLatestValues(
  frame: Frame,
  dimension: Dimension | undefined,
  userIds: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>()
  if (dimension === undefined) return found
  const [first] = await frame.store.all<{ ms: number | null }>('SELECT min(start_ms) AS ms FROM llm_calls')
  const { asOfMs } = frame.clock
  for (const part of backwards({ fromMs: first?.ms ?? asOfMs, toMs: asOfMs })) {
    const wanted = userIds.filter((userId) => !found.has(userId))
    if (wanted.length === 0) break
    const scope = await scopeOf({ ...frame, where: undefined }, part, { userIds: wanted })
    const groups = await readGroups(frame.store, scope, { dimensions: [USER, dimension], metrics: ['last_call_at'] })
    for (const [userId, value] of latestOf(groups)) found.set(userId, value)
  }
  return found
}

function latestOf(groups: readonly FoundGroup[]): [userId: number, value: string][] {
  const latest = new Map<number, { value: string; ms: number }>()
  for (const { keys, labels, group } of groups) {
    const [userId, value, ms] = [Number(keys[0]), labels[1], group.lastStartMs ?? 0]
    const known = latest.get(userId)
    if (value === null || value === undefined || value === '' || (known !== undefined && known.ms >= ms)) continue
    latest.set(userId, { value: String(value), ms })
  }
  return Array.from(latest, ([userId, { value }]) => [userId, value])
}

async function readUserIds(frame: Frame): Promise<number[]> {
  const found = await readGroups(frame.store, await scopeOf(frame, frame.period), { dimensions: [USER], metrics: ['requests'] })
  return found.flatMap(({ keys }) => (Number(keys[0]) === 0 ? [] : [Number(keys[0])]))
}

async function readUsers(frame: Frame, tierOf: ReadonlyMap<number, string>): Promise<BenchmarkUser[]> {
  const { store, zone, clock } = frame
  const dayOf = (ms: number): number => timeKeyOfDay('day', zone.day(ms))
  const scope = await scopeOf(frame, frame.period)
  const found = await readGroups(store, scope, { dimensions: [USER], metrics: ['requests', 'satisfaction'] })
  const features = new Map<number, number>()
  for (const { keys, labels } of await readGroups(store, scope, {
    dimensions: [USER, { kind: 'property', key: 'feature' }],
    metrics: ['requests'],
  })) {
    if (labels[1] !== null) features.set(Number(keys[0]), (features.get(Number(keys[0])) ?? 0) + 1)
  }
  const told = await readSaid(store, scope, { kind: 'goals', dimensions: [USER] })
  const goals = new Map(told?.groups.map(({ keys, group }) => [Number(keys[0]), group.goals?.reached ?? 0]))
  const firstSeen = await readFirstSeen(store)
  return found.flatMap(({ keys, labels, group }): BenchmarkUser[] => {
    const userId = Number(keys[0])
    const requests = group.sums.get('requests') ?? 0
    // Who rated and did not call in the period has no row.
    if (userId === 0 || requests === 0) return []
    return [
      {
        user: String(labels[0]),
        tier: tierOf.get(userId),
        tenureDays: dayOf(clock.asOfMs) - dayOf(firstSeen.get(userId) ?? clock.asOfMs),
        requests,
        goals: told === undefined ? null : (goals.get(userId) ?? 0),
        features: features.get(userId) ?? 0,
        satisfaction: group.feedback?.satisfaction ?? null,
      },
    ]
  })
}
