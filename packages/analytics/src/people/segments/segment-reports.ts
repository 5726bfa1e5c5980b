import { activityWindows, type Standing } from '../../segments/automatic-segments.ts'
import { automaticOnly } from '../../segments/custom-segments.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { ruleWarnings, type PowerMeasure, type RiskMeasure, type TenureMeasure } from '../../segments/segment-rules.ts'
import { noMemberships, segmentText, type Membership, type Memberships } from '../../segments/memberships.ts'
import { readUserSums } from '../../read/population.ts'
import { QueryError } from '../../query/query-error.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readMembershipHistory } from '../../read/read-membership-history.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { choiceOf } from '../../report-options.ts'
import { tellSegmentHistory, tellSegmentMoves } from './segment-history.ts'
import { countSegments } from './segment-moves.ts'

const DAY_MS = 86_400_000
/** How far back the segments are looked at that users have moved from. */
const MOVED_SINCE_DAYS = 30

/** How many users are in each segment, what they used, and who moved in and out; or the history of that. */
export async function tellSegments(asked: PeopleAsked): Promise<Told> {
  const history = choiceOf(asked.options, 'history')
  if (history === 'users') return tellSegmentHistory(asked)
  if (history === 'moves') return tellSegmentMoves(asked)
  if (asked.interval !== undefined)
    throw new QueryError('Segments are those at as_of. Add --history to have them by day, week or month.', { given: asked.interval })
  return tellSegmentsNow(asked)
}

async function tellSegmentsNow({ frame }: PeopleAsked): Promise<Told> {
  const { store, clock } = frame
  const { rules } = clock.segmentation ?? automaticOnly
  const [before, now] = await readBeforeAndNow(frame, clock.asOfMs - MOVED_SINCE_DAYS * DAY_MS)
  const scope = await scopeOf(frame, frame.period)
  const { ids, costsNanoUsd, list } = await readUserSums(store, scope, { sums: ['requests'], activeDays: false })
  const requests = list('s0')
  const isSeen: boolean[] = []
  let users = 0
  const sums = new Map(now.names.map((segment) => [segment, new Use()]))
  const all = new Use()
  for (let n = 0; n < ids.length; n++) {
    const userId = ids[n] ?? 0
    if (userId === 0) continue
    if (isSeen[userId] !== true) users++
    isSeen[userId] = true
    const [own, cost] = [requests[n] ?? 0, costsNanoUsd[n] ?? null]
    all.add(own, cost)
    for (const segment of now.of.get(userId)?.segments ?? []) sums.get(segment)?.add(own, cost)
  }
  return {
    users,
    columns: {
      segment: [
        'Segment',
        'string',
        `churned: no call in 30 days; else new: ${newWords[rules.new]} less than 30 days ago; else at_risk; else power; else casual; then your own`,
      ],
      users: ['Users', 'int', 'users with a call in the period, by their segment at as_of'],
      share: ['Share', 'rate', 'of these users', ['users', 'all']],
      requests: ['Requests', 'int', 'their calls in the period'],
      cost_usd: ['Cost', 'usd', 'of these calls; null where none is priced'],
      moved_in: ['Moved in', 'int', 'users who were in another segment, or not there, 30 days before as_of'],
      moved_out: ['Moved out', 'int', 'users who were in it 30 days before as_of'],
    },
    rows: countSegments(before, now, (userId) => isSeen[userId] === true).map(({ segment, users: count, movedIn, movedOut }) => ({
      segment,
      users: count,
      share: users === 0 ? null : count / users,
      all: users,
      requests: sums.get(segment)?.requests ?? 0,
      cost_usd: sums.get(segment)?.costNanoUsd ?? 0n,
      moved_in: movedIn,
      moved_out: movedOut,
    })),
    totals: { users, requests: all.requests, cost_usd: all.costNanoUsd },
    warnings: [
      ...ruleWarnings(rules),
      ...(now.exclusive ? [] : ['users are in the row of each of their segments: rows come to more than the totals']),
    ],
  }
}

/** Where users stand at as_of, and stood earlier: read together, as the calls need not be read for each. */
async function readBeforeAndNow(frame: Frame, earlierMs: number): Promise<readonly [Memberships, Memberships]> {
  const segmentation = frame.clock.segmentation ?? automaticOnly
  const [before, now] = await readMembershipHistory(frame, { instants: [earlierMs, frame.clock.asOfMs], segmentation })
  return [before ?? noMemberships(segmentation), now ?? noMemberships(segmentation)]
}

/** What users of a segment did. */
class Use {
  requests = 0
  #isPriced = false
  /** Costs are put together as doubles as long as that is exact: there are as many as users. */
  #costNanoUsd = 0
  #costBefore = 0n

  add(requests: number, costNanoUsd: number | null): void {
    this.requests += requests
    if (costNanoUsd === null) return
    this.#isPriced = true
    if (costNanoUsd > Number.MAX_SAFE_INTEGER - this.#costNanoUsd) {
      this.#costBefore += BigInt(this.#costNanoUsd)
      this.#costNanoUsd = 0
    }
    if (Number.isSafeInteger(costNanoUsd)) this.#costNanoUsd += costNanoUsd
    else this.#costBefore += BigInt(costNanoUsd)
  }

  /** Null where no call has a price. */
  get costNanoUsd(): bigint | null {
    return this.requests > 0 && !this.#isPriced ? null : this.#costBefore + BigInt(this.#costNanoUsd)
  }
}

/** Each user's segment and what led to it. */
export async function tellSegmentMembers({ frame }: PeopleAsked): Promise<Told> {
  const { store } = frame
  const scope = await scopeOf(frame, frame.period)
  const found = await readGroups(store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics: ['requests'] })
  const members = found.filter(({ keys }) => keys[0] !== 0 && keys[0] !== null)
  const firstSeen = await frame.firstSeen()
  const { standingOf } = await frame.segments()
  const { of } = await frame.readMemberships()
  const { custom, rules } = frame.clock.segmentation ?? automaticOnly
  const lastCallOf = await readLastCalls(
    frame,
    members.map(({ keys }) => Number(keys[0])).filter((userId) => of.get(userId)?.automatic === 'churned'),
  )
  const rows = members.map(({ keys, labels }) => {
    const userId = Number(keys[0])
    const membership = of.get(userId)
    const lastMs = lastCallOf.get(userId)
    return cellsOf(String(labels[0]), {
      churnedMs: lastMs === undefined ? null : lastMs + activityWindows.last30Days,
      standing: standingOf(userId, firstSeen.get(userId) ?? frame.clock.asOfMs),
      membership,
      power: rules.power,
      supportLevel: custom.find(({ name, supportLevel }) => supportLevel !== undefined && membership?.custom.includes(name))?.supportLevel,
    })
  })
  return {
    columns: {
      user: ['User', 'string', 'who made the calls'],
      segment: ['Segment', 'string', 'the first of churned, new, at_risk, power, casual that fits; one of your own before these'],
      automatic_segment: ['Automatic', 'string', 'the automatic segment, also where the user has one of your own'],
      custom_segments: ['Own', 'string', 'every segment of your own that fits, in the order of the file; null for none'],
      support_level: ['Support', 'string', 'support_level of the first of these that has one'],
      is_power: ['Power', 'bool', `as ${manyWords[rules.power]} in 30 days as the most active tenth of users`],
      is_new: ['New', 'bool', `${newWords[rules.new]} less than 30 local days ago`],
      is_at_risk: [
        'At risk',
        'bool',
        `at most half as many ${riskWords[rules.at_risk]} in the last 14 days as in the 14 before (at least 5), and not by chance (p < 0.05)`,
      ],
      requests_30d: ['Requests 30 d', 'int', 'calls in the 30 days before as_of'],
      usage_30d: ['Usage 30 d', 'number', usageWords[rules.power]],
      tenure_days: [
        'Tenure',
        'int',
        `local days since the ${rules.new === 'sign_up' ? 'sign-up where it is known, else the ' : ''}first call`,
      ],
      risk_score: [
        'Risk',
        'number',
        `1 - (${riskWords[rules.at_risk]} in 14 days + 1) / (${riskWords[rules.at_risk]} in the 14 before + 1)`,
      ],
      churned_at: ['Churned', 'time', 'of churned users: 30 days after the last call'],
    },
    rows: rows.toSorted((a, b) => b.requests_30d - a.requests_30d || (a.user < b.user ? -1 : 1)),
    warnings: ruleWarnings(rules),
  }
}

/** When each of these churned users called last: long enough before `as_of` that the buckets of calls decide. */
async function readLastCalls({ store, clock }: Frame, userIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
  if (userIds.length === 0) return new Map()
  const rows = await readRows<[userId: number, lastMs: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, last_ms)) AS rows FROM (
      SELECT user_id, max(last_ms) AS last_ms FROM rollup_users
      WHERE last_ms < ? AND user_id IN (SELECT value FROM json_each(?)) GROUP BY user_id)`,
    values: [clock.asOfMs, JSON.stringify(userIds)],
  })
  return new Map(rows)
}

interface Member {
  readonly standing: Standing
  readonly membership: Membership | undefined
  /** When a churned user was one for the first time since the last call. */
  readonly churnedMs: number | null
  readonly supportLevel: string | undefined
  readonly power: PowerMeasure
}

const manyWords: Readonly<Record<PowerMeasure, string>> = {
  requests: 'many calls',
  tokens: 'many tokens',
  cost: 'much cost',
  active_time: 'much active time',
  composite: 'high by calls and active time together',
}
const usageWords: Readonly<Record<PowerMeasure, string>> = {
  requests: 'calls in the 30 days before as_of, by which power users are chosen',
  tokens: 'tokens in the 30 days before as_of, by which power users are chosen',
  cost: 'cost in USD of the calls in the 30 days before as_of that have a price, by which power users are chosen',
  active_time: 'seconds of active time of sessions in the 30 days before as_of, by which power users are chosen',
  composite: 'mean of the percentiles by calls and by active time in the 30 days before as_of, by which power users are chosen',
}
const usageUnits: Readonly<Record<PowerMeasure, (usage: number) => number>> = {
  requests: (calls) => calls,
  tokens: (tokens) => tokens,
  cost: (nanoUsd) => nanoUsd / 1e9,
  active_time: (ms) => ms / 1000,
  composite: (percentile) => percentile,
}
const newWords: Readonly<Record<TenureMeasure, string>> = {
  first_call: 'first seen',
  sign_up: 'signed up (or, where that is not known or lies later, first seen)',
}
const riskWords: Readonly<Record<RiskMeasure, string>> = { requests: 'calls', active_days: 'local days with a call' }

function cellsOf(user: string, { standing, membership, churnedMs, supportLevel, power }: Member) {
  const { segment, isPower, isNew, isAtRisk, last30Days, usage, tenureDays, riskScore } = standing
  return {
    user,
    segment: membership === undefined ? segment : segmentText(membership),
    automatic_segment: segment,
    custom_segments: membership?.custom.join(', ') || null,
    support_level: supportLevel ?? null,
    is_power: isPower,
    is_new: isNew,
    is_at_risk: isAtRisk,
    requests_30d: last30Days,
    usage_30d: usageUnits[power](usage),
    tenure_days: tenureDays,
    risk_score: riskScore,
    churned_at: churnedMs,
  }
}
