import { dateOf } from '../../behavior/user-history.ts'
import { metricTable } from '../../query/metrics.ts'
import type { Period } from '../../query/period.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import { billingMonth } from '../../segments/billing-month.ts'
import type { Tier } from '../../segments/tiers.ts'
import { readByUser, readTiersOfUsers } from '../histories/read-tiers.ts'

/** What a user of a tier used in the tier's running month. */
export interface UserOfTier {
  readonly userId: number
  readonly user: string
  readonly tier: Tier
  readonly requests: number
  readonly tokens: number
  readonly costNanoUsd: bigint
  readonly requestsInSevenDays: number
  /** Requests of the month with a feature that the tier does not have. */
  readonly violations: number
  /** The day on which the month began. */
  readonly monthFrom: number
  /** The day on which the limit of requests was reached; null where it was not, or is none. */
  readonly reachedOn: number | null
  /** Days of the month after today. */
  readonly daysLeft: number
}

/**
 * Users with a call in the running month of their tier, which begins on the tier's day; those of no tier are left out.
 */
export async function readTierUse(frame: Frame, tiers: readonly Tier[] | undefined): Promise<readonly UserOfTier[]> {
  const { clock, zone } = frame
  const today = timeKeyOfDay('day', zone.day(clock.asOfMs))
  const startMs = (day: number): number => zone.startOfDay(Number(dateOf(day).replaceAll('-', '')))
  const tierOfUser = await readTiersOfUsers(frame, tiers)
  const inSevenDays = new Map(
    (await readByUser(frame, { fromMs: startMs(today - 7), toMs: startMs(today) }, ['requests'])).map(({ keys, group }) => [
      Number(keys[0]),
      group.sums.get('requests') ?? 0,
    ]),
  )
  const users: UserOfTier[] = []
  for (const anchorDay of new Set([...tierOfUser.values()].map((tier) => tier.anchorDay))) {
    const month = billingMonth(anchorDay, today)
    const period = { fromMs: startMs(month.from), toMs: clock.asOfMs }
    const violations = await readViolations(frame, period, tierOfUser)
    const found = await readByUser(frame, period, ['requests', 'total_tokens', 'cost_usd'])
    const reached = await readReached(
      frame,
      period,
      new Map(
        found.flatMap(({ keys, group }): [number, number][] => {
          const limit = tierOfUser.get(Number(keys[0]))?.requests ?? null
          return limit !== null && (group.sums.get('requests') ?? 0) >= limit ? [[Number(keys[0]), limit]] : []
        }),
      ),
    )
    for (const { keys, labels, group } of found) {
      const userId = Number(keys[0])
      const tier = tierOfUser.get(userId)
      if (tier?.anchorDay !== anchorDay) continue
      users.push({
        userId,
        user: String(labels[0]),
        tier,
        requests: group.sums.get('requests') ?? 0,
        tokens: Number(metricTable.total_tokens.of(group) ?? 0),
        costNanoUsd: BigInt(metricTable.cost_usd.of(group) ?? 0),
        requestsInSevenDays: inSevenDays.get(userId) ?? 0,
        violations: violations.get(userId) ?? 0,
        monthFrom: month.from,
        reachedOn: reached.get(userId) ?? null,
        daysLeft: month.until - today - 1,
      })
    }
  }
  return users
}

/** On which day users reached their limits, of those who have. */
async function readReached(frame: Frame, period: Period, limits: ReadonlyMap<number, number>): Promise<ReadonlyMap<number, number>> {
  const reached = new Map<number, number>()
  if (limits.size === 0) return reached
  const scope = { ...(await scopeOf(frame, period)), userIds: [...limits.keys()] }
  const days = await readGroups(frame.store, scope, {
    dimensions: [
      { kind: 'column', name: 'user' },
      { kind: 'time', step: 'day' },
    ],
    metrics: ['requests'],
  })
  const used = new Map<number, number>()
  for (const { keys, group } of days.toSorted((a, b) => Number(a.keys[1]) - Number(b.keys[1]))) {
    const userId = Number(keys[0])
    const sum = (used.get(userId) ?? 0) + (group.sums.get('requests') ?? 0)
    used.set(userId, sum)
    if (!reached.has(userId) && sum >= (limits.get(userId) ?? 0)) reached.set(userId, Number(keys[1]))
  }
  return reached
}

async function readViolations(frame: Frame, month: Period, tierOfUser: ReadonlyMap<number, Tier>): Promise<ReadonlyMap<number, number>> {
  const violations = new Map<number, number>()
  if (![...tierOfUser.values()].some(({ features }) => features !== undefined)) return violations
  const found = await readGroups(frame.store, await scopeOf(frame, month), {
    dimensions: [
      { kind: 'column', name: 'user' },
      { kind: 'property', key: 'feature' },
    ],
    metrics: ['requests'],
  })
  for (const { keys, labels, group } of found) {
    const userId = Number(keys[0])
    const features = tierOfUser.get(userId)?.features
    const feature = labels[1]
    if (features === undefined || typeof feature !== 'string' || features.has(feature)) continue
    violations.set(userId, (violations.get(userId) ?? 0) + (group.sums.get('requests') ?? 0))
  }
  return violations
}
