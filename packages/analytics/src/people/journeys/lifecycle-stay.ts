import { scopeOf } from '../../read/frame.ts'
import { ratio } from '../../behavior/session-metrics.ts'
import { readGroups } from '../../read/read-groups.ts'
import { mean } from '../../statistics/quantiles.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { StageAsked, StageMetric } from './lifecycle-rows.ts'
import { readAdopted } from './read-features.ts'
import type { Member } from './read-lifecycle.ts'

const REGULAR_TENURE_DAYS = 28
const PROMOTER = 9

/** Who comes regularly, who takes up further features, and whether users stay content. */
export async function tellRetention(asked: StageAsked): Promise<StageMetric[]> {
  const { frame, lifecycle } = asked
  const { startMs, endMs } = asked.asked
  const adopted = await readAdopted(frame, { beforeMs: endMs, week: asked.week() })
  const changes = lifecycle.members.flatMap(({ userId }) => adopted.get(userId) ?? [])
  const content = await readSatisfaction(asked, { fromMs: startMs, toMs: endMs })
  return [
    {
      metric: 'regular_usage',
      ...countRegular(asked, { atMs: endMs, standpoint: ({ now }) => now }),
      previous: rateOf(countRegular(asked, { atMs: startMs, standpoint: ({ before }) => before })),
      basis: 'inferred',
    },
    {
      metric: 'feature_expansion',
      users: changes.filter(({ before, now }) => now > before).length,
      of: changes.length,
      value: mean(changes.map(({ now }) => now)),
      previous: mean(changes.map(({ before }) => before)),
      unit: 'features',
      basis: 'inferred',
    },
    {
      metric: 'satisfaction',
      users: null,
      of: null,
      value: content,
      previous: await readSatisfaction(asked, { fromMs: startMs - (endMs - startMs), toMs: startMs }),
      unit: '0 to 10',
      basis: 'explicit',
      reason: content === null ? 'no_answers' : undefined,
    },
  ]
}

/** Who calls most, who recommends the app, and who moved from a free plan to one that is paid for. */
export async function tellGrowth({ asked, lifecycle: { members, plans, nps, referrals } }: StageAsked): Promise<StageMetric[]> {
  const { startMs, endMs, isFree } = asked
  const [npsBefore, npsNow] = nps
  const promoters = (answers: ReadonlyMap<number, number> | undefined) => {
    const own = members.flatMap(({ userId }) => answers?.get(userId) ?? [])
    return { users: own.filter((value) => value >= PROMOTER).length, of: own.length }
  }
  const isWithin = (ms: number): boolean => ms >= startMs && ms < endMs
  const referred = members.map(({ userId }) => (referrals.get(userId) ?? []).filter(isWithin).length)
  const advocates = members.filter(({ now }, n) => now.isPromoter || (referred[n] ?? 0) > 0).length
  const [before, after] = plans.at
  const free = members.filter(({ userId }) => hasPlan(before, userId, isFree))
  const upgraded = free.filter(({ userId }) => hasPlan(after, userId, (plan) => !isFree(plan)))
  const hasPlans = plans.first.size > 0
  const answered = promoters(npsNow)
  return [
    {
      metric: 'power_users',
      ...countPower(members, ({ now }) => now),
      previous: rateOf(countPower(members, (member) => member.before)),
      basis: 'inferred',
    },
    {
      metric: 'promoters',
      ...answered,
      previous: rateOf(promoters(npsBefore)),
      basis: 'explicit',
      reason: answered.of === 0 ? 'no_answers' : undefined,
    },
    {
      metric: 'referrals',
      users: referred.filter((count) => count > 0).length,
      of: members.length,
      value: referred.reduce((sum, count) => sum + count, 0),
      unit: 'referrals',
      basis: 'explicit',
    },
    { metric: 'advocacy', users: advocates, of: members.length, basis: 'explicit' },
    {
      metric: 'premium_adoption',
      users: hasPlans ? upgraded.length : null,
      of: hasPlans ? free.length : null,
      basis: 'explicit',
      reason: hasPlans ? undefined : 'no_plans',
    },
  ]
}

function hasPlan(at: ReadonlyMap<number, string> | undefined, userId: number, isWanted: (plan: string) => boolean): boolean {
  const plan = at?.get(userId)
  return plan !== undefined && isWanted(plan)
}

interface Count {
  readonly users: number
  readonly of: number
}

function rateOf({ users, of }: Count): number | null {
  return ratio(users, of)
}

type Standpoints = (member: Member) => Member['now'] | undefined

/** Of those who had been there for four weeks. */
function countRegular({ frame, lifecycle }: StageAsked, { atMs, standpoint }: { atMs: number; standpoint: Standpoints }): Count {
  const day = timeKeyOfDay('day', frame.zone.day(atMs))
  const there = lifecycle.members.filter(({ way }) => day - way.person.beginDay >= REGULAR_TENURE_DAYS)
  return { users: there.filter((member) => standpoint(member)?.isRegular === true).length, of: there.length }
}

/** Of those who called in the 30 days before. */
function countPower(members: readonly Member[], standpoint: Standpoints): Count {
  const active = members.flatMap((member) => {
    const found = standpoint(member)
    return found?.standing !== undefined && found.standing.last30Days > 0 ? [found] : []
  })
  return { users: active.filter(({ isPower }) => isPower).length, of: active.length }
}

/** The mean over users of the mean of their scores, from 0 to 10; null where nobody gave one. */
async function readSatisfaction(
  { frame, lifecycle }: StageAsked,
  period: { readonly fromMs: number; readonly toMs: number },
): Promise<number | null> {
  const only = frame.where === undefined ? {} : { userIds: lifecycle.members.map(({ userId }) => userId) }
  const scope = await scopeOf({ ...frame, where: undefined }, period, only)
  const [group] = await readGroups(frame.store, scope, { dimensions: [], metrics: ['satisfaction'] })
  return group?.group.feedback?.satisfaction ?? null
}
