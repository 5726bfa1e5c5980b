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
    for (const { keys, labels, group } of await readByUser(frame, period, ['requests', 'total_tokens', 'cost_usd'])) {
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
        daysLeft: month.until - today - 1,
      })
    }
  }
  return users
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
