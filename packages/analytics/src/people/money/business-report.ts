import { divideHalfEven } from '@spanledger/conventions'

import { scopeOf } from '../../read/frame.ts'
import { metricTable } from '../../query/metrics.ts'
import { readGroups } from '../../read/read-groups.ts'
import { lifetimeValue } from '../../statistics/scores.ts'
import { shareLeft, type Watched } from '../../statistics/survival.ts'
import { startOfInterval, intervalLabel, shiftInterval } from '../../behavior/user-history.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { Frame } from '../../read/frame.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'

/** A lifetime is counted to three years: nobody knows what comes after. */
const LIFETIME_MONTHS = 36

/** What was earned and spent in one local month. */
interface Month {
  revenue: bigint
  cost: bigint
  isPriced: boolean
  active: number
  readonly paying: Map<number, bigint>
}

/** What users paid, what they cost, and what is left, by month. */
export async function tellBusiness({ frame }: PeopleAsked): Promise<Told> {
  const { zone, clock } = frame
  const monthOf = (ms: number): number => startOfInterval('month', timeKeyOfDay('day', zone.day(ms)))
  const months = new Map<number, Month>()
  const month = (start: number): Month => {
    let one = months.get(start)
    if (one === undefined) months.set(start, (one = { revenue: 0n, cost: 0n, isPriced: false, active: 0, paying: new Map() }))
    return one
  }
  const scope = await scopeOf(frame, frame.period)
  for (const { keys, group } of await readGroups(frame.store, scope, {
    dimensions: [{ kind: 'time', step: 'month' }],
    metrics: ['cost_usd', 'users'],
  })) {
    const key = Number(keys[0])
    const own = month(Date.UTC(Math.floor(key / 100), (key % 100) - 1, 1) / 86_400_000)
    const cost = metricTable.cost_usd.of(group)
    own.cost = BigInt(cost ?? 0)
    own.isPriced = cost !== null
    own.active = group.users ?? 0
  }
  const payments = await readPayments(frame)
  for (const { userId, startMs, amount } of payments) {
    if (startMs < frame.period.fromMs || startMs >= frame.period.toMs) continue
    const own = month(monthOf(startMs))
    own.revenue += amount
    if (userId !== 0) own.paying.set(userId, (own.paying.get(userId) ?? 0n) + amount)
  }
  const paid = monthsPaid(payments, monthOf)
  const starts = [...months.keys()].sort((a, b) => a - b)
  const asOfDay = timeKeyOfDay('day', zone.day(clock.asOfMs))
  return {
    columns: {
      month: ['Month', 'date', 'a local month'],
      revenue_usd: ['Revenue', 'usd', 'what track.revenue told, less what was given back; null where nothing was told'],
      cost_usd: ['Cost', 'usd', 'of the calls of the month; null where none is priced'],
      margin_usd: ['Margin', 'usd', 'revenue_usd - cost_usd'],
      margin_rate: ['Margin %', 'rate', 'margin_usd / revenue_usd'],
      active_users: ['Active', 'int', 'different users with a call'],
      paying_users: ['Paying', 'int', 'different users whose revenue is above 0'],
      arpu_usd: ['ARPU', 'usd', 'revenue_usd / active_users'],
      arppu_usd: ['ARPPU', 'usd', 'revenue_usd / paying_users'],
      cost_per_user_usd: ['Cost/user', 'usd', 'cost_usd / active_users'],
      churn: ['Churn', 'rate', 'users who paid in the month before and not in this one, of those; null while the month is not over'],
      net_revenue_retention: [
        'NRR',
        'rate',
        'what those who paid in the month before paid in this one / what they paid in the month before; null while the month is not over',
      ],
      ltv_usd: [
        'LTV',
        'number',
        `arppu_usd x margin_rate over ${LIFETIME_MONTHS} months, each with the share of payers that is left by then (Kaplan and Meier, of all payments up to the month; later as at the mean rate until then); an estimate, in USD`,
      ],
    },
    rows: starts.map((start) =>
      rowOf(start, {
        own: month(start),
        before: months.get(shiftInterval('month', start, -1)),
        isOver: shiftInterval('month', start, 1) <= asOfDay,
        left: shareLeft(payersUpTo(start, paid)),
      }),
    ),
    warnings: payments.length === 0 ? ['no revenue was told: track.revenue, or spans spanledger.revenue, tell it'] : [],
  }
}

interface MonthFacts {
  readonly own: Month
  readonly before: Month | undefined
  readonly isOver: boolean
  /** Of payers, the share that still pays so many months after the first. */
  readonly left: (months: number) => number
}

function rowOf(start: number, { own, before, isOver, left }: MonthFacts) {
  const now = new Set(payingOf(own))
  const hadPaid = before === undefined ? [] : payingOf(before)
  const revenue = own.revenue === 0n && own.paying.size === 0 ? null : own.revenue
  const cost = own.isPriced || own.active === 0 ? own.cost : null
  const margin = revenue === null || cost === null ? null : revenue - cost
  const marginRate = margin === null || revenue === null || revenue === 0n ? null : Number(margin) / Number(revenue)
  const churn = !isOver || hadPaid.length === 0 ? null : hadPaid.filter((userId) => !now.has(userId)).length / hadPaid.length
  const arppu = each(revenue, now.size)
  return {
    month: intervalLabel('month', start),
    revenue_usd: revenue,
    cost_usd: cost,
    margin_usd: margin,
    margin_rate: marginRate,
    active_users: own.active,
    paying_users: now.size,
    arpu_usd: each(revenue, own.active),
    arppu_usd: arppu,
    cost_per_user_usd: each(cost, own.active),
    churn,
    net_revenue_retention: isOver && before !== undefined ? retainedRevenue(own, before) : null,
    ltv_usd:
      arppu === null || marginRate === null || churn === null
        ? null
        : lifetimeValue({ monthlyMargin: (Number(arppu) / 1e9) * marginRate, left, months: LIFETIME_MONTHS }),
  }
}

/** What the payers of a month still pay in the next, for each dollar of theirs; null where nobody paid. */
function retainedRevenue({ paying: now }: Month, before: Month): number | null {
  const payers = payingOf(before)
  const had = payers.reduce((sum, userId) => sum + (before.paying.get(userId) ?? 0n), 0n)
  const have = payers.reduce((sum, userId) => sum + (now.get(userId) ?? 0n), 0n)
  return had === 0n ? null : Number(have) / Number(had)
}

function payingOf({ paying }: Month): number[] {
  return [...paying].filter(([, amount]) => amount > 0n).map(([userId]) => userId)
}

function each(amount: bigint | null, users: number): bigint | null {
  return amount === null || users === 0 ? null : divideHalfEven(amount, BigInt(users))
}

/** By user the months in which more was paid than given back, by their number since 1970. */
function monthsPaid(
  payments: readonly { readonly userId: number; readonly startMs: number; readonly amount: bigint }[],
  monthOf: (ms: number) => number,
): ReadonlyMap<number, readonly number[]> {
  const amounts = new Map<number, Map<number, bigint>>()
  for (const { userId, startMs, amount } of payments) {
    if (userId === 0) continue
    const own = amounts.get(userId) ?? new Map<number, bigint>()
    const month = numberOf(monthOf(startMs))
    amounts.set(userId, own.set(month, (own.get(month) ?? 0n) + amount))
  }
  return new Map([...amounts].map(([userId, own]) => [userId, [...own].filter(([, amount]) => amount > 0n).map(([month]) => month)]))
}

/** How long each user paid, in months after the first, as it was known at the end of a month: who paid in that month has not left. */
function payersUpTo(start: number, paid: ReadonlyMap<number, readonly number[]>): Watched[] {
  const end = numberOf(start)
  return [...paid.values()].flatMap((all): Watched[] => {
    const months = all.filter((month) => month <= end)
    if (months.length === 0) return []
    const [first, last] = [Math.min(...months), Math.max(...months)]
    return [last < end ? { time: last - first + 1, happened: true } : { time: last - first, happened: false }]
  })
}

function numberOf(start: number): number {
  const date = new Date(start * 86_400_000)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

/** Payments told before `as_of`: of one id the latest, of those without an id each. */
async function readPayments({ store, clock }: Frame): Promise<{ userId: number; startMs: number; amount: bigint }[]> {
  const rows = await readRows<[userId: number, startMs: number, amount: string]>(store, {
    text: `SELECT json_group_array(json_array(user_id, start_ms, CAST(amount_nano_usd AS TEXT))) AS rows FROM (
      SELECT e.user_id, e.start_ms, e.amount_nano_usd, row_number() OVER (
          PARTITION BY e.user_id, s.name, e.target_kind, iif(e.target_kind = 'itself', hex(e.span_id) || hex(e.trace_id), e.target)
          ORDER BY e.start_ms DESC, e.start_fraction DESC, e.span_id DESC, e.trace_id DESC) AS place
      FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'revenue' AND e.amount_nano_usd IS NOT NULL AND e.start_ms < ?)
      WHERE place = 1`,
    values: [clock.asOfMs],
  })
  return rows.map(([userId, startMs, amount]) => ({ userId, startMs, amount: BigInt(amount) }))
}
