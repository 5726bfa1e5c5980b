import { reachedOverTime, type ReachedStep } from '../statistics/survival.ts'
import { startOfInterval, type UserHistory } from './user-history.ts'

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

export interface AdoptionOptions {
  /** The first day that is not over. */
  readonly asOfDay: number
  /** Users who were shown the feature, where the app says so. */
  readonly exposed?: ReadonlySet<string> | undefined
}

export function adoption(histories: readonly UserHistory[], feature: string, { asOfDay, exposed }: AdoptionOptions): Adoption {
  const since = asOfDay - WINDOW_DAYS
  const counts = { aware: 0, tried: 0, adopted: 0, power: 0 }
  const watched = histories.map((history) => {
    const uses = history.days.filter(({ features }) => features.has(feature)).map(({ day }) => day)
    const recent = uses.filter((day) => day >= since && day < asOfDay)
    const tried = uses.length > 0
    const adopted = new Set(recent.map((day) => startOfInterval('week', day))).size >= ADOPTED_WEEKS
    if (tried || exposed === undefined || exposed.has(history.user)) counts.aware++
    if (tried) counts.tried++
    if (adopted) counts.adopted++
    // Ten days of 28 lie in at least two weeks, so the stages nest.
    if (recent.length >= POWER_DAYS) counts.power++
    return { time: (uses[0] ?? asOfDay) - history.firstDay, happened: tried }
  })
  return { feature, ...counts, awareBasis: exposed === undefined ? 'assumed' : 'explicit', firstUse: reachedOverTime(watched) }
}
