import { divideHalfEven, parseUsd } from '@spanledger/conventions'

import { metricTable } from '../../query/metrics.ts'
import { QueryError } from '../../query/query-error.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { GivenOptions } from '../../report-options.ts'
import type { Share } from '../../statistics/proportions.ts'
import { lifetimeValue } from '../../statistics/scores.ts'
import { shareLeft, type Watched } from '../../statistics/survival.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { monthLabel, monthNumber, type Earnings } from './earnings.ts'
import { startOfMonth } from './read-plan-earnings.ts'
import { readRevenue, type Revenue } from './read-revenue.ts'

/** A lifetime is counted to three years: nobody knows what comes after. */
const LIFETIME_MONTHS = 36

/** What calls of one local month cost, and how many users made them. */
interface Use {
  readonly cost: bigint
  readonly isPriced: boolean
  readonly active: number
}

const unused: Use = { cost: 0n, isPriced: false, active: 0 }

/** What users paid, what they cost, and what is left, by month. */
export async function tellBusiness({ frame, options, isBegun }: PeopleAsked): Promise<Told> {
  const { zone, clock } = frame
  const used = await readUse(frame)
  const prices = planPricesOf(options)
  const revenue = await readRevenue(frame, { prices, isBegun })
  const paid = monthsPaid(revenue.ever)
  const months = [...new Set([...used.keys(), ...revenue.earned.months])].sort((a, b) => a - b)
  return {
    columns: {
      month: ['Month', 'date', 'a local month'],
      revenue_usd: [
        'Revenue',
        'usd',
        'what track.revenue told, less what was given back, by the months that it is for: a payment for a year is earned in twelve; with --plan-prices what plans cost, of users without a payment; 0 of a month without one where others have some, null where nothing is known',
      ],
      received_usd: ['Received', 'usd', 'what track.revenue told in the month, for whatever time; null where nobody was told to have paid'],
      basis: ['Basis', 'string', 'where revenue_usd is from: told, plan_prices, or both'],
      cost_usd: ['Cost', 'usd', 'of the calls of the month; null where none is priced'],
      margin_usd: ['Margin', 'usd', 'revenue_usd - cost_usd'],
      margin_rate: ['Margin %', 'rate', 'margin_usd / revenue_usd'],
      active_users: ['Active', 'int', 'different users with a call'],
      paying_users: ['Paying', 'int', 'different users whose revenue is above 0'],
      arpu_usd: ['ARPU', 'usd', 'revenue_usd / active_users'],
      arppu_usd: ['ARPPU', 'usd', 'revenue_usd / paying_users'],
      cost_per_user_usd: ['Cost/user', 'usd', 'cost_usd / active_users'],
      churn: [
        'Churn',
        'rate',
        'users who paid for the month before and not for this one, of those; null while the month is not over',
        ['stopped_paying', 'paid_before'],
      ],
      net_revenue_retention: [
        'NRR',
        'rate',
        'what those who paid for the month before earn in this one / what they earned in the month before; null while the month is not over',
      ],
      ltv_usd: [
        'LTV',
        'usd',
        `arppu_usd x margin_rate over ${LIFETIME_MONTHS} months, each with the share of payers that is left by then (Kaplan and Meier, of all payments up to the month; later as at the mean rate until then); an estimate`,
      ],
      ltv_uncapped_usd: [
        'LTV uncapped',
        'usd',
        'arppu_usd x margin_rate / churn, as if the churn of this month stayed for ever; null where nobody left; an estimate',
      ],
    },
    rows: months.map((month) =>
      rowOf(month, {
        use: used.get(month) ?? unused,
        revenue,
        isOver: startOfMonth(zone, month + 1) <= clock.asOfMs,
        left: shareLeft(payersUpTo(month, paid)),
      }),
    ),
    warnings: warningsOf(revenue, prices),
  }
}

async function readUse(frame: Frame): Promise<ReadonlyMap<number, Use>> {
  const scope = await scopeOf(frame, frame.period)
  const found = await readGroups(frame.store, scope, { dimensions: [{ kind: 'time', step: 'month' }], metrics: ['cost_usd', 'users'] })
  return new Map(
    found.map(({ keys, group }) => {
      const key = Number(keys[0])
      const cost = metricTable.cost_usd.of(group)
      return [monthNumber(Math.floor(key / 100), key % 100), { cost: BigInt(cost ?? 0), isPriced: cost !== null, active: group.users ?? 0 }]
    }),
  )
}

/** `pro:20,team:99.50` as nano-USD by plan; undefined where no prices were given. @throws QueryError for what is no such list */
function planPricesOf({ plan_prices: text }: GivenOptions): ReadonlyMap<string, bigint> | undefined {
  if (text === undefined) return undefined
  const named = text.split(',').map((part) => {
    const [, plan = '', usd = ''] = /^(.+):([^:]+)$/.exec(part.trim()) ?? []
    return [plan.trim(), parseUsd(usd)] as const
  })
  const prices = new Map(named.flatMap(([plan, nanoUsd]) => (plan === '' || nanoUsd === undefined ? [] : [[plan, BigInt(nanoUsd)]])))
  if (prices.size === named.length && prices.size <= 100) return prices
  throw new QueryError(
    `Cannot read plan_prices ${JSON.stringify(text)}. Write each plan once with its USD a month: free:0,pro:20,team:99.50.`,
    {
      given: text,
    },
  )
}

function warningsOf({ isKnown, isTold, byPlan }: Revenue, prices: ReadonlyMap<string, bigint> | undefined): string[] {
  if (!isKnown) return ['payments are filtered by user, session, property, segment and time only; elsewhere they are left out']
  if (prices !== undefined)
    return byPlan.size === 0
      ? [
          `no user is on a plan of --plan-prices (${[...prices.keys()].join(', ')}): plans are the trait or property plan or tier, or track.planChange`,
        ]
      : []
  return isTold
    ? []
    : ['no revenue was told: track.revenue, or spans spanledger.revenue, tell it; --plan-prices pro:20 takes it from plans']
}

interface MonthFacts {
  readonly use: Use
  readonly revenue: Revenue
  readonly isOver: boolean
  /** Of payers, the share that still pays so many months after the first. */
  readonly left: (months: number) => number
}

function rowOf(month: number, { use, revenue: { earned, ever, received, isTold, told, byPlan }, isOver, left }: MonthFacts) {
  // Where others paid in other months, nothing was earned in this one.
  const total = earned.total(month) ?? (told.size > 0 ? 0n : undefined)
  const basis = [...(told.has(month) ? ['told'] : []), ...(byPlan.has(month) ? ['plan_prices'] : [])]
  const paying = earned.payers(month).size
  const cost = use.isPriced || use.active === 0 ? use.cost : null
  const margin = total === undefined || cost === null ? null : total - cost
  const marginRate = margin === null || total === undefined || total === 0n ? null : Number(margin) / Number(total)
  const { lost, netRevenueRetention } = isOver ? retention(ever, month) : noRetention
  const churn = lost === null ? null : lost.successes / lost.n
  const arppu = each(total, paying)
  const monthlyMargin = arppu === null || marginRate === null ? null : (Number(arppu) / 1e9) * marginRate
  return {
    month: monthLabel(month),
    revenue_usd: total ?? null,
    received_usd: isTold ? (received.total(month) ?? 0n) : null,
    basis: basis.join(', ') || null,
    cost_usd: cost,
    margin_usd: margin,
    margin_rate: marginRate,
    active_users: use.active,
    paying_users: paying,
    arpu_usd: each(total, use.active),
    arppu_usd: arppu,
    cost_per_user_usd: each(cost, use.active),
    churn,
    stopped_paying: lost?.successes ?? null,
    paid_before: lost?.n ?? null,
    net_revenue_retention: netRevenueRetention,
    ltv_usd: monthlyMargin === null || churn === null ? null : nanoUsdOf(lifetimeValue({ monthlyMargin, left, months: LIFETIME_MONTHS })),
    ltv_uncapped_usd: monthlyMargin === null || churn === null || churn === 0 ? null : nanoUsdOf(monthlyMargin / churn),
  }
}

interface Retention {
  /** Which of the payers of the month before are gone. */
  readonly lost: Share | null
  /** What all of them still earn, for each dollar of then. */
  readonly netRevenueRetention: number | null
}

const noRetention: Retention = { lost: null, netRevenueRetention: null }

/** Null where nobody paid in the month before. */
function retention(ever: Earnings, month: number): Retention {
  const [before, now] = [ever.payers(month - 1), ever.payers(month)]
  const payers = [...before.keys()]
  if (payers.length === 0) return noRetention
  const had = payers.reduce((sum, userId) => sum + (before.get(userId) ?? 0n), 0n)
  const have = payers.reduce((sum, userId) => sum + (now.get(userId) ?? 0n), 0n)
  return {
    lost: { successes: payers.filter((userId) => !now.has(userId)).length, n: payers.length },
    netRevenueRetention: Number(have) / Number(had),
  }
}

function nanoUsdOf(usd: number): bigint {
  return BigInt(Math.round(usd * 1e9))
}

function each(amount: bigint | null | undefined, users: number): bigint | null {
  return amount === null || amount === undefined || users === 0 ? null : divideHalfEven(amount, BigInt(users))
}

/** By user the months for which more was paid than given back. */
function monthsPaid(ever: Earnings): ReadonlyMap<number, readonly number[]> {
  const paid = new Map<number, number[]>()
  for (const month of ever.months) {
    for (const userId of ever.payers(month).keys()) {
      const own = paid.get(userId)
      if (own === undefined) paid.set(userId, [month])
      else own.push(month)
    }
  }
  return paid
}

/** How long each user paid, in months after the first, as it was known at the end of a month: who paid for that month has not left. */
function payersUpTo(end: number, paid: ReadonlyMap<number, readonly number[]>): Watched[] {
  return [...paid.values()].flatMap((all): Watched[] => {
    const months = all.filter((month) => month <= end)
    if (months.length === 0) return []
    const [first, last] = [Math.min(...months), Math.max(...months)]
    return [last < end ? { time: last - first + 1, happened: true } : { time: last - first, happened: false }]
  })
}
