import { scopeOf, type Frame } from '../../read/frame.ts'
import { metricTable, type MetricName } from '../../query/metrics.ts'
import type { Period } from '../../query/period.ts'
import { readGroups } from '../../read/read-groups.ts'
import { namesIn, type FilterNode } from '../../query/filter.ts'
import { dateOf } from '../../behavior/user-history.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { billingMonth } from '../../segments/billing-month.ts'
import type { Tier } from '../../segments/tiers.ts'

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
 * Users with a call in the running month of their tier, which begins on the tier's day; those of no tier are left out. A user's tier is the one whose filter fits the latest of the user's calls that fit any; of several the first. Without tiers it
 * is that of the first of the user's segments that has limits.
 */
export async function readTierUse(frame: Frame, tiers: readonly Tier[] | undefined): Promise<readonly UserOfTier[]> {
  const { clock, zone } = frame
  const today = timeKeyOfDay('day', zone.day(clock.asOfMs))
  const startMs = (day: number): number => zone.startOfDay(Number(dateOf(day).replaceAll('-', '')))
  const tierOfUser = tiers === undefined ? await readSegmentTiers(frame) : await readTiers(frame, tiers)
  const inSevenDays = new Map(
    (await readUsers(frame, { fromMs: startMs(today - 7), toMs: startMs(today) }, ['requests'])).map(({ keys, group }) => [
      Number(keys[0]),
      group.sums.get('requests') ?? 0,
    ]),
  )
  const users: UserOfTier[] = []
  for (const anchorDay of new Set([...tierOfUser.values()].map((tier) => tier.anchorDay))) {
    const month = billingMonth(anchorDay, today)
    const period = { fromMs: startMs(month.from), toMs: clock.asOfMs }
    const violations = await readViolations(frame, period, tierOfUser)
    for (const { keys, labels, group } of await readUsers(frame, period, ['requests', 'total_tokens', 'cost_usd'])) {
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

/** Filters by segment need to know each user's. */
async function withSegments(frame: Frame, tiers: readonly Tier[]): Promise<Frame> {
  const named = tiers.flatMap(({ where }) => (where === undefined ? [] : namesIn(where)))
  if (!named.some((name) => name.toLowerCase() === 'segment')) return frame
  return { ...frame, memberships: await frame.readMemberships() }
}

type Found = Awaited<ReturnType<typeof readGroups>>

async function readUsers(frame: Frame, period: Period, metrics: readonly MetricName[], where?: FilterNode): Promise<Found> {
  const scope = await scopeOf({ ...frame, where: both(frame.where, where) }, period)
  const found = await readGroups(frame.store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics })
  return found.filter(({ keys }) => Number(keys[0]) !== 0)
}

function both(a: FilterNode | undefined, b: FilterNode | undefined): FilterNode | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return { kind: 'group', operator: 'and', parts: [a, b] }
}

async function readSegmentTiers(frame: Frame): Promise<ReadonlyMap<number, Tier>> {
  const tierOf = new Map((frame.clock.segmentation?.custom ?? []).flatMap(({ name, tier }) => (tier === undefined ? [] : [[name, tier]])))
  const tierOfUser = new Map<number, Tier>()
  if (tierOf.size === 0) return tierOfUser
  for (const [userId, { segments }] of (await frame.readMemberships()).of) {
    const tier = segments.map((name) => tierOf.get(name)).find((one) => one !== undefined)
    if (tier !== undefined) tierOfUser.set(userId, tier)
  }
  return tierOfUser
}

/** The tier of each user that is in any, by id. */
export async function readTiers(asked: Frame, tiers: readonly Tier[]): Promise<ReadonlyMap<number, Tier>> {
  const frame = await withSegments(asked, tiers)
  const latest = new Map<number, { tier: Tier; ms: number }>()
  for (const tier of tiers) {
    for (const { keys, group } of await readUsers(frame, { fromMs: 0, toMs: frame.clock.asOfMs }, ['last_call_at'], tier.where)) {
      const userId = Number(keys[0])
      const ms = group.lastStartMs ?? 0
      // A tier for everybody takes only whom no other has.
      const known = latest.get(userId)
      if (known === undefined || (tier.where !== undefined && ms > known.ms)) latest.set(userId, { tier, ms })
    }
  }
  return new Map([...latest].map(([userId, { tier }]) => [userId, tier]))
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
