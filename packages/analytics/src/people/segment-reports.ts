import { segments, type Segment, type Standing } from '../automatic-segments.ts'
import { scopeOf } from '../frame.ts'
import { readUserSums } from '../population.ts'
import { readGroups } from '../read-groups.ts'
import { readSegments, segmentsAt } from '../read-segments.ts'
import { readFirstSeen } from '../seen-users.ts'
import type { PeopleAsked, Told } from './people-report.ts'

const DAY_MS = 86_400_000
/** How far back the segments are looked at that users have moved from. */
const MOVED_SINCE_DAYS = 30

/** How many users are in each automatic segment, what they used, and who moved in and out. */
export async function tellSegments({ frame }: PeopleAsked): Promise<Told> {
  const { store, clock } = frame
  const firstSeen = await readFirstSeen(store)
  const now = segmentsAt(await frame.segments(), firstSeen, clock.asOfMs)
  const earlierMs = clock.asOfMs - MOVED_SINCE_DAYS * DAY_MS
  const before = segmentsAt(await readSegments(store, { ...clock, asOfMs: earlierMs }), firstSeen, earlierMs)
  const scope = { ...(await scopeOf(frame, frame.period)), segmentOfUser: now }
  const { ids, costsNanoUsd, list } = await readUserSums(store, scope, { sums: ['requests'], activeDays: false })
  const requests = list('s0')
  const sums = new Map(segments.map((segment) => [segment, { users: 0, requests: 0, cost: 0n, priced: false, in: 0, out: 0 }]))
  const seen = new Set<number>()
  for (const [n, userId] of ids.entries()) {
    const own = sums.get(now.get(userId) ?? 'churned')
    if (userId === 0 || own === undefined) continue
    if (!seen.has(userId)) own.users++
    seen.add(userId)
    const cost = costsNanoUsd[n] ?? null
    own.requests += requests[n] ?? 0
    own.cost += BigInt(cost ?? 0)
    own.priced ||= cost !== null
  }
  for (const userId of seen) {
    const [from, to] = [before.get(userId), now.get(userId)]
    if (from === to) continue
    const [left, entered] = [from === undefined ? undefined : sums.get(from), to === undefined ? undefined : sums.get(to)]
    if (left !== undefined) left.out++
    if (entered !== undefined) entered.in++
  }
  const all = [...sums.values()]
  const cost = all.reduce((sum, own) => sum + own.cost, 0n)
  return {
    columns: {
      segment: [
        'Segment',
        'string',
        'churned: no call in 30 days; else new: first seen less than 30 days ago; else at_risk; else power; else casual',
      ],
      users: ['Users', 'int', 'users with a call in the period, by their segment at as_of'],
      share: ['Share', 'rate', 'of these users'],
      requests: ['Requests', 'int', 'their calls in the period'],
      cost_usd: ['Cost', 'usd', 'of these calls; null where none is priced'],
      moved_in: ['Moved in', 'int', 'users who were in another segment, or not there, 30 days before as_of'],
      moved_out: ['Moved out', 'int', 'users who were in it 30 days before as_of'],
    },
    rows: (['power', 'casual', 'new', 'at_risk', 'churned'] as const satisfies readonly Segment[]).map((segment) => {
      const own = sums.get(segment)
      return {
        segment,
        users: own?.users ?? 0,
        share: seen.size === 0 ? null : (own?.users ?? 0) / seen.size,
        requests: own?.requests ?? 0,
        cost_usd: own === undefined || (own.requests > 0 && !own.priced) ? null : own.cost,
        moved_in: own?.in ?? 0,
        moved_out: own?.out ?? 0,
      }
    }),
    totals: {
      users: seen.size,
      requests: all.reduce((sum, own) => sum + own.requests, 0),
      cost_usd: all.some(({ priced }) => priced) || seen.size === 0 ? cost : null,
    },
  }
}

/** Each user's segment and what led to it. */
export async function tellSegmentMembers({ frame }: PeopleAsked): Promise<Told> {
  const { store } = frame
  const scope = await scopeOf(frame, frame.period)
  const found = await readGroups(store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics: ['requests'] })
  const members = found.filter(({ keys }) => keys[0] !== 0 && keys[0] !== null)
  const firstSeen = await readFirstSeen(store)
  const { standingOf } = await frame.segments()
  const rows = members.map(({ keys, labels }) => {
    const userId = Number(keys[0])
    return cellsOf(String(labels[0]), standingOf(userId, firstSeen.get(userId) ?? frame.clock.asOfMs))
  })
  return {
    columns: {
      user: ['User', 'string', 'who made the calls'],
      segment: ['Segment', 'string', 'the first of churned, new, at_risk, power, casual that fits'],
      is_power: ['Power', 'bool', 'as many calls in 30 days as the most active tenth of users'],
      is_new: ['New', 'bool', 'first seen less than 30 local days ago'],
      is_at_risk: [
        'At risk',
        'bool',
        'at most half as many calls in the last 14 days as in the 14 before (at least 5), and not by chance (p < 0.05)',
      ],
      requests_30d: ['Requests 30 d', 'int', 'calls in the 30 days before as_of'],
      tenure_days: ['Tenure', 'int', 'local days since the first call'],
      risk_score: ['Risk', 'number', '1 - (calls in 14 days + 1) / (calls in the 14 before + 1)'],
    },
    rows: rows.toSorted((a, b) => b.requests_30d - a.requests_30d || (a.user < b.user ? -1 : 1)),
  }
}

function cellsOf(user: string, { segment, isPower, isNew, isAtRisk, last30Days, tenureDays, riskScore }: Standing) {
  return {
    user,
    segment,
    is_power: isPower,
    is_new: isNew,
    is_at_risk: isAtRisk,
    requests_30d: last30Days,
    tenure_days: tenureDays,
    risk_score: riskScore,
  }
}
