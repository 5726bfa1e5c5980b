import { addDays } from '@spanledger/store'

import type { Standing } from '../../segments/automatic-segments.ts'
import { compileUserDays } from '../../plan/compile-users.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readAutomaticAt } from '../../read/read-automatic.ts'
import { automaticOnly } from '../../segments/custom-segments.ts'
import { ownDay } from '../../journey/person.ts'
import { activeWeeks, type Standpoint } from '../../journey/stages.ts'
import type { Step, Way } from '../../journey/way.ts'
import type { UserSegments } from '../../segments/read-segments.ts'
import { readColumns } from '../../ledger/snapshot.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { readLatestNps, readReferrals } from './read-advocates.ts'
import { readPlans, type Plans } from '../histories/read-plans.ts'
import { readWays } from './read-ways.ts'
import type { BadSignUps } from '../../read/read-sign-ups.ts'

/** A user at the end of the period, and at its begin where the user was there already. */
export interface Member {
  readonly userId: number
  readonly way: Way
  readonly before: (Standpoint & { readonly standing: Standing | undefined }) | undefined
  readonly now: Standpoint & { readonly standing: Standing | undefined }
}

/** All users that there were at the end of the period, and what their stages follow from. */
export interface Lifecycle {
  readonly members: readonly Member[]
  readonly plans: Plans
  readonly nps: readonly ReadonlyMap<number, number>[]
  readonly referrals: ReadonlyMap<number, readonly number[]>
  readonly featureName: (id: number) => string
  readonly badSignUps: BadSignUps
  readonly warnings: readonly string[]
}

export interface LifecycleOptions {
  readonly startMs: number
  readonly endMs: number
  /** What onboarding takes beside a first success. */
  readonly onboarding: readonly Step[]
  readonly advancedFeatures: readonly string[] | undefined
  readonly isFree: (plan: string) => boolean
}

const ONBOARDING_DAYS = 7
const WEEKS_DAYS = 28
const REGULAR_WEEKS = 3
const PROMOTER = 9

export async function readLifecycle(frame: Frame, options: LifecycleOptions): Promise<Lifecycle> {
  const { clock, zone } = frame
  const { startMs, endMs, advancedFeatures } = options
  const instants = [startMs, endMs]
  const { ways, featureName, badSignUps, warnings } = await readWays(frame, { isBegun: false, advancedFeatures })
  const firstSeen = await frame.firstSeen()
  const segments: UserSegments[] = []
  for await (const ofThen of readAutomaticAt(frame, { instants, rules: (clock.segmentation ?? automaticOnly).rules })) segments.push(ofThen)
  const days = await readDays(frame, instants)
  const plans = await readPlans(frame, instants)
  const nps = [await readLatestNps(frame, startMs), await readLatestNps(frame, endMs)]
  const referrals = await readReferrals(frame)
  const dayOf = (ms: number): number => timeKeyOfDay('day', zone.day(ms))
  const hasBy = (way: Way, step: Pick<Step, 'at'>, atMs: number): boolean => {
    const ms = step.at(way)
    return ms !== undefined && ms < atMs && ownDay(way.person, ms, { dayOf }) < ONBOARDING_DAYS
  }
  const standpointAt = (n: number) => {
    const atMs = instants[n] ?? 0
    const day = dayOf(atMs)
    return (userId: number, way: Way): Member['now'] => {
      const firstMs = firstSeen.get(userId)
      const standing = firstMs === undefined || firstMs >= atMs ? undefined : segments[n]?.standingOf(userId, firstMs)
      const plan = plans.at[n]?.get(userId)
      const firstPlan = plans.first.get(userId)
      return {
        standing,
        isOnboarded: [firstSuccess, ...options.onboarding].every((step) => hasBy(way, step, atMs)),
        isRegular: day - way.person.beginDay >= WEEKS_DAYS && activeWeeks(days.get(userId) ?? [], day) >= REGULAR_WEEKS,
        isPower: standing?.isPower ?? false,
        hasUpgraded: firstPlan !== undefined && plan !== undefined && options.isFree(firstPlan) && !options.isFree(plan),
        isPromoter: (nps[n]?.get(userId) ?? 0) >= PROMOTER,
        hasReferred: referrals.get(userId)?.some((ms) => ms < atMs) ?? false,
        isAtRisk: standing?.isAtRisk ?? false,
        isChurned: standing?.last30Days === 0,
      }
    }
  }
  const [then, now] = [standpointAt(0), standpointAt(1)]
  return {
    members: ways.map((way) => {
      const userId = Number(way.person.user)
      return { userId, way, before: way.person.beginMs < startMs ? then(userId, way) : undefined, now: now(userId, way) }
    }),
    plans,
    nps,
    referrals,
    featureName,
    badSignUps,
    warnings,
  }
}

const firstSuccess: Pick<Step, 'at'> = { at: ({ journey }) => journey?.successMs }

/** The local days with a call that the weeks before some instants hold, by user. */
async function readDays(frame: Frame, instants: readonly number[]): Promise<ReadonlyMap<number, readonly number[]>> {
  const { zone } = frame
  const fromMs = zone.startOfDay(addDays(zone.day(Math.min(...instants)), -WEEKS_DAYS))
  const scope = await scopeOf({ ...frame, where: undefined }, { fromMs, toMs: Math.max(...instants) })
  const [userIds = [], days = []] = await readColumns(frame.store, compileUserDays(scope))
  const found = new Map<number, number[]>()
  for (const [n, userId] of userIds.entries()) {
    const own = found.get(userId)
    if (own === undefined) found.set(userId, [days[n] ?? 0])
    else own.push(days[n] ?? 0)
  }
  return found
}
