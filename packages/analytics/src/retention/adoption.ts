import { reachedOverTime, type ReachedStep } from '../statistics/survival.ts'
import { isActive, startOfInterval, type UserHistory, type Week } from '../behavior/user-history.ts'

/** How far users have come with a feature; each stage is part of the one before. */
export interface Adoption {
  readonly feature: string
  readonly aware: number
  /** `assumed`: nobody said who has seen the feature, so all users count as aware. */
  readonly awareBasis: 'explicit' | 'assumed'
  readonly tried: number
  /** Used it in at least two weeks of the last four. */
  readonly adopted: number
  /** Used it on at least ten of the last 28 days. */
  readonly power: number
  /** Which share had used it by which day after they first came. */
  readonly firstUse: readonly ReachedStep[]
}

const WINDOW_DAYS = 28
const ADOPTED_WEEKS = 2
const POWER_DAYS = 10

/** The days on which a user used a feature. */
function usesOf(history: UserHistory, feature: string): number[] {
  return history.days.filter(({ features }) => features.has(feature)).map(({ day }) => day)
}

/** Whether a feature is a habit: used in at least two weeks of the last four. */
function isAdopted(uses: readonly number[], asOfDay: number, week: Week): boolean {
  const recent = uses.filter((day) => day >= asOfDay - WINDOW_DAYS && day < asOfDay)
  return new Set(recent.map((day) => startOfInterval(week, day))).size >= ADOPTED_WEEKS
}

/** Users who tried a feature, and whether it became a habit. */
export function triers(
  histories: readonly UserHistory[],
  feature: string,
  { asOfDay, week = 'week' }: Pick<AdoptionOptions, 'asOfDay' | 'week'>,
): { user: string; adopted: boolean }[] {
  return histories.flatMap((history) => {
    const uses = usesOf(history, feature)
    return uses.length === 0 ? [] : [{ user: history.user, adopted: isAdopted(uses, asOfDay, week) }]
  })
}

/** When users first used a feature, in own days, and how many of these were there in their fourth week. */
export interface Introduction {
  readonly from: number
  readonly to: number
  readonly users: number
  readonly retained: number
}

/** The last days come before the week that tells who stayed: who first used it later has stayed by that. */
const introductions = [
  [0, 0],
  [1, 2],
  [3, 6],
  [7, 13],
  [14, 20],
] as const

/** Of users seen for 28 days: by the own day of first use, those active in days 21 to 27. */
export function introductionsOf(histories: readonly UserHistory[], feature: string, asOfDay: number): Introduction[] {
  const known = histories.filter(({ firstDay }) => firstDay + WINDOW_DAYS <= asOfDay)
  return introductions.map(([from, to]) => {
    const users = known.filter((history) => {
      const first = usesOf(history, feature)[0]
      return first !== undefined && first - history.firstDay >= from && first - history.firstDay <= to
    })
    const retained = users.filter((history) => isActive(history, history.firstDay + 21, history.firstDay + 28)).length
    return { from, to, users: users.length, retained }
  })
}

export interface AdoptionOptions {
  /** The first day that is not over. */
  readonly asOfDay: number
  /** On which day the weeks begin that a habit shows in; Monday unless told otherwise. */
  readonly week?: Week
  /** Users who were shown the feature, where the app says so. */
  readonly exposed?: ReadonlySet<string> | undefined
}

export function adoption(
  histories: readonly UserHistory[],
  feature: string,
  { asOfDay, week = 'week', exposed }: AdoptionOptions,
): Adoption {
  const since = asOfDay - WINDOW_DAYS
  const counts = { aware: 0, tried: 0, adopted: 0, power: 0 }
  const watched = histories.map((history) => {
    const uses = usesOf(history, feature)
    const recent = uses.filter((day) => day >= since && day < asOfDay)
    const tried = uses.length > 0
    const adopted = isAdopted(uses, asOfDay, week)
    if (tried || exposed === undefined || exposed.has(history.user)) counts.aware++
    if (tried) counts.tried++
    if (adopted) counts.adopted++
    // Ten days of 28 lie in at least two weeks, so the stages nest.
    if (recent.length >= POWER_DAYS) counts.power++
    return { time: (uses[0] ?? asOfDay) - history.firstDay, happened: tried }
  })
  return { feature, ...counts, awareBasis: exposed === undefined ? 'assumed' : 'explicit', firstUse: reachedOverTime(watched) }
}
