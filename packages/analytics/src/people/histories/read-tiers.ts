import { readGroups } from '../../read/read-groups.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { both, namesIn, type FilterNode } from '../../query/filter.ts'
import type { MetricName } from '../../query/metrics.ts'
import type { Period } from '../../query/period.ts'
import type { Tier } from '../../segments/tiers.ts'

/**
 * The tier of each user that is in any, by id: the one whose filter fits the latest of the user's calls that fit any; of several the
 * first. Without tiers it is that of the first of the user's segments that has limits.
 */
export async function readTiersOfUsers(frame: Frame, tiers: readonly Tier[] | undefined): Promise<ReadonlyMap<number, Tier>> {
  return tiers === undefined ? readSegmentTiers(frame) : readTiers(frame, tiers)
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
    for (const { keys, group } of await readByUser(frame, { fromMs: 0, toMs: frame.clock.asOfMs }, ['last_call_at'], tier.where)) {
      const userId = Number(keys[0])
      const ms = group.lastStartMs ?? 0
      // A tier for everybody takes only whom no other has.
      const known = latest.get(userId)
      if (known === undefined || (tier.where !== undefined && ms > known.ms)) latest.set(userId, { tier, ms })
    }
  }
  return new Map([...latest].map(([userId, { tier }]) => [userId, tier]))
}

/** Filters by segment need to know each user's. */
async function withSegments(frame: Frame, tiers: readonly Tier[]): Promise<Frame> {
  const named = tiers.flatMap(({ where }) => (where === undefined ? [] : namesIn(where)))
  if (!named.some((name) => name.toLowerCase() === 'segment')) return frame
  return { ...frame, memberships: await frame.readMemberships() }
}

type Found = Awaited<ReturnType<typeof readGroups>>

/** Metrics of each user in a period, of the calls that both filters let through. */
export async function readByUser(frame: Frame, period: Period, metrics: readonly MetricName[], where?: FilterNode): Promise<Found> {
  const scope = await scopeOf({ ...frame, where: both(frame.where, where) }, period)
  const found = await readGroups(frame.store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics })
  return found.filter(({ keys }) => Number(keys[0]) !== 0)
}
