import { scopeOf, type Frame } from '../../read/frame.ts'
import { readPlanEarnings } from './read-plan-earnings.ts'
import { earnedBy, Earnings, monthNumber, type Earning } from './earnings.ts'
import { readPayments } from './read-payments.ts'

/** What users earned the app, and paid, by month. */
export interface Revenue {
  /** Of the period that is asked for: payments that were made in it, and what earlier ones and the price list earn in its months. */
  readonly earned: Earnings
  /** Of all months up to `as_of`, whole. */
  readonly ever: Earnings
  /** What was paid in the months of the period. */
  readonly received: Earnings
  /** Whether anybody is known to have paid, at any time. */
  readonly isTold: boolean
  /** The months of `earned` in which payments, and in which the price list, say what some user earned. */
  readonly told: ReadonlySet<number>
  readonly byPlan: ReadonlySet<number>
  /** Undefined where the filter is about calls alone, and so nothing can be told of payments. */
  readonly isKnown: boolean
}

/** Reads what was told of payments and, of users of whom nothing was, what their plans cost by `prices`. */
export async function readRevenue(
  frame: Frame,
  { prices, isBegun }: { prices: ReadonlyMap<string, bigint> | undefined; isBegun: boolean },
): Promise<Revenue> {
  const { zone, clock } = frame
  // All history begins with the first call; somebody may have paid before it.
  const period = { fromMs: isBegun ? frame.period.fromMs : 0, toMs: frame.period.toMs }
  const monthOf = (ms: number): number => monthNumber(Math.floor(zone.day(ms) / 10_000), Math.floor(zone.day(ms) / 100) % 100)
  const until = monthOf(clock.asOfMs - 1)
  const asked = { first: monthOf(period.fromMs), last: Math.min(monthOf(Math.max(period.fromMs, period.toMs - 1)), until) }
  const isAsked = ({ month }: Earning): boolean => month >= asked.first && month <= asked.last
  const payments = await readPayments(frame, await scopeOf(frame, { fromMs: 0, toMs: clock.asOfMs }))
  const [earned, ever, received] = [new Earnings(), new Earnings(), new Earnings()]
  const [told, byPlan] = [new Set<number>(), new Set<number>()]
  for (const { userId, ms, nanoUsd, period: paidFor } of payments ?? []) {
    const payment = { userId, month: monthOf(ms), nanoUsd }
    const isIn = ms >= period.fromMs && ms < period.toMs
    if (isIn) received.add(payment)
    for (const part of earnedBy({ ...payment, period: paidFor })) {
      if (part.month > until) continue
      ever.add(part)
      if (part.month === payment.month ? !isIn : !isAsked(part)) continue
      earned.add(part)
      told.add(part.month)
    }
  }
  if (prices !== undefined) {
    const [first] = await frame.store.all<{ ms: number | null }>('SELECT min(start_ms) AS ms FROM llm_calls WHERE counted = 1')
    const from = Math.min(monthOf(frame.period.fromMs), monthOf(first?.ms ?? clock.asOfMs))
    const months = Array.from({ length: Math.max(0, until - from + 1) }, (_, n) => from + n)
    const except = new Set((payments ?? []).map(({ userId }) => userId))
    for (const part of await readPlanEarnings(frame, { prices, months, except })) {
      ever.add(part)
      if (!isAsked(part)) continue
      earned.add(part)
      byPlan.add(part.month)
    }
  }
  return { earned, ever, received, isTold: (payments ?? []).length > 0, told, byPlan, isKnown: payments !== undefined }
}
