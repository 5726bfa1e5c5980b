import type { Zone } from '@spanledger/store'

import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readChosen } from '../histories/read-persons.ts'
import { planBefore, readPlanChanges } from '../histories/read-plans.ts'
import { readTraitValues } from '../../read/read-user-values.ts'
import { tierKeys } from '../histories/tier-keys.ts'
import { monthNumber, type Earning } from './earnings.ts'

export interface PlanEarningsAsked {
  /** USD a month by plan, in nano-USD. */
  readonly prices: ReadonlyMap<string, bigint>
  /** Ascending, without gaps. */
  readonly months: readonly number[]
  /** Users of whom more is known than their plan. */
  readonly except: ReadonlySet<number>
}

/**
 * What users earned by a price list: for each month the whole price of the plan that a user had when it ended, or at `as_of`. The plan
 * is that of `track.planChange`, of users of whom it told a change; else the trait; else the property of the user's last call of the
 * month, so that who no longer calls is not taken to go on paying. Of users with a call that the filter lets through, where there is one.
 */
export async function readPlanEarnings(frame: Frame, { prices, months, except }: PlanEarningsAsked): Promise<Earning[]> {
  const chosen = await readChosen(frame)
  const changes = await readPlanChanges(frame)
  const called = await readCalledPlans(frame, months)
  const earned: Earning[] = []
  for (const month of months) {
    const beforeMs = Math.min(startOfMonth(frame.zone, month + 1), frame.clock.asOfMs)
    const plans = new Map<number, string | undefined>(called.get(month))
    for (const [userId, plan] of await readTraitPlans(frame, beforeMs)) plans.set(userId, plan)
    for (const [userId, own] of changes) plans.set(userId, planBefore(own, beforeMs))
    for (const [userId, plan] of plans) {
      const nanoUsd = plan === undefined ? undefined : prices.get(plan)
      if (nanoUsd === undefined || except.has(userId) || chosen?.has(userId) === false) continue
      earned.push({ userId, month, nanoUsd })
    }
  }
  return earned
}

/** The first instant of a local month. */
export function startOfMonth(zone: Zone, month: number): number {
  return zone.startOfDay(Math.floor(month / 12) * 10_000 + ((month % 12) + 1) * 100 + 1)
}

/** The trait of each user that has one; of several names the likeliest. */
async function readTraitPlans(frame: Frame, beforeMs: number): Promise<ReadonlyMap<number, string>> {
  const plans = new Map<number, string>()
  for (const name of tierKeys.toReversed())
    for (const [userId, plan] of await readTraitValues(frame, name, { which: 'latest', beforeMs })) plans.set(userId, plan)
  return plans
}

/** By month the plan on the last call of each user that has one; of several names the likeliest. */
async function readCalledPlans(frame: Frame, months: readonly number[]): Promise<ReadonlyMap<number, ReadonlyMap<number, string>>> {
  const plans = new Map<number, Map<number, string>>()
  const [first, last] = [months[0], months.at(-1)]
  if (first === undefined || last === undefined) return plans
  const period = {
    fromMs: startOfMonth(frame.zone, first),
    toMs: Math.min(startOfMonth(frame.zone, last + 1), frame.clock.asOfMs),
  }
  for (const name of tierKeys.toReversed()) {
    if (!frame.catalog.keys.has(name) && !frame.catalog.keysLeftOut) continue
    const latest = new Map<string, number>()
    for (const { keys, labels, group } of await readGroups(frame.store, await scopeOf(frame, period), {
      dimensions: [
        { kind: 'column', name: 'user' },
        { kind: 'time', step: 'month' },
        { kind: 'property', key: name },
      ],
      metrics: ['last_call_at'],
    })) {
      const [userId, key, plan, ms] = [Number(keys[0]), Number(keys[1]), labels[2], group.lastStartMs ?? 0]
      if (userId === 0 || typeof plan !== 'string' || ms < (latest.get(`${userId} ${key}`) ?? 0)) continue
      latest.set(`${userId} ${key}`, ms)
      const month = monthNumber(Math.floor(key / 100), key % 100)
      const own = plans.get(month) ?? new Map<number, string>()
      plans.set(month, own.set(userId, plan))
    }
  }
  return plans
}
