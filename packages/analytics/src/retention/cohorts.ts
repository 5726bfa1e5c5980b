import { groupBy } from '../sums/group-by.ts'
import {
  intervalLabel,
  isActive,
  shiftInterval,
  startOfInterval,
  type Interval,
  type UserHistory,
  type Week,
} from '../behavior/user-history.ts'

/** Users who began in one interval, and which share of them was active in their n-th week. */
export interface Cohort {
  readonly cohort: string
  readonly size: number
  /** By week, as asked for; null where it cannot be known yet. */
  readonly weeks: readonly CohortCell[]
}

export interface CohortCell {
  readonly week: number
  readonly share: number | null
  readonly retained: number | null
  /** Of how many: the cohort, or with `eligible` those whose week is over; with `week1_active` those of them who were there then. */
  readonly of: number
  /** Why the share is not known: it is too early to tell, or nobody is left to tell it of. */
  readonly reason: 'censored' | 'no_users' | null
}

export interface CohortOptions {
  readonly by: Interval
  readonly from: number
  readonly to: number
  /** The first day that is not over. */
  readonly asOfDay: number
  readonly weeks?: readonly number[]
  /** `rolling`: a user's week 1 is its first seven days. `calendar`: it is the week of the calendar that holds the first day. */
  readonly clock?: 'rolling' | 'calendar'
  /** On which day the weeks of the calendar begin. */
  readonly week?: Week
  /** `on`: active in that week. `on_or_after`: in it or later. `streak`: in each week up to it. */
  readonly mode?: 'on' | 'on_or_after' | 'streak'
  /** Of whom shares are told: of all of a cohort, or (`week1_active`) of those of it who were active in their first week. */
  readonly base?: 'all' | 'week1_active'
  /** `strict`: a cell is told once the week of the last to join is over. `eligible`: of those whose week is over. */
  readonly censoring?: 'strict' | 'eligible'
}

const cohortWeeks = [1, 2, 4, 8, 12]
const WEEK_DAYS = 7

/**
 * Cohorts by the first day of their users; week n is a user's own days 7(n-1) to 7n-1, or the n-th week of the calendar from the one
 * that holds the first day. A share is told of users whose week is
 * over, whether or not they were active in it already: else those who came early would count and the others not yet.
 */
export function cohorts(histories: readonly UserHistory[], options: CohortOptions): Cohort[] {
  const { by, from, to, asOfDay, weeks = cohortWeeks } = options
  const first = startOfInterval(by, from)
  const joined = histories.filter(({ firstDay }) => firstDay >= first && firstDay < to)
  const byStart = groupBy(joined, ({ firstDay }) => startOfInterval(by, firstDay))
  return [...byStart]
    .sort(([a], [b]) => a - b)
    .map(([start, members]) => {
      const isClosed = shiftInterval(by, start, 1) <= asOfDay
      return {
        cohort: intervalLabel(by, start),
        size: members.length,
        weeks: weeks.map((week) => cellOf(members, week, { ...options, isClosed })),
      }
    })
}

function cellOf(
  members: readonly UserHistory[],
  week: number,
  {
    asOfDay,
    isClosed,
    clock = 'rolling',
    week: kind = 'week',
    mode = 'on',
    base = 'all',
    censoring = 'strict',
  }: CohortOptions & { readonly isClosed: boolean },
): CohortCell {
  const beginOf = ({ firstDay }: UserHistory): number => (clock === 'calendar' ? startOfInterval(kind, firstDay) : firstDay)
  const known = members.filter((member) => beginOf(member) + WEEK_DAYS * week <= asOfDay)
  const isTold = censoring === 'eligible' || (isClosed && known.length === members.length)
  const of = base === 'all' ? known : known.filter((member) => isRetained(member, { begin: beginOf(member), week: 1, mode: 'on', asOfDay }))
  if (!isTold || of.length === 0) {
    const reason = isTold && known.length > 0 ? 'no_users' : 'censored'
    return { week, share: null, retained: null, of: of.length, reason }
  }
  const retained = of.filter((member) => isRetained(member, { begin: beginOf(member), week, mode, asOfDay })).length
  return { week, share: retained / of.length, retained, of: of.length, reason: null }
}

function isRetained(
  history: UserHistory,
  { begin, week, mode, asOfDay }: { begin: number; week: number; mode: NonNullable<CohortOptions['mode']>; asOfDay: number },
): boolean {
  const startOf = (n: number): number => begin + WEEK_DAYS * (n - 1)
  if (mode === 'on_or_after') return isActive(history, startOf(week), asOfDay)
  if (mode === 'on') return isActive(history, startOf(week), startOf(week + 1))
  for (let n = 1; n <= week; n++) if (!isActive(history, startOf(n), startOf(n + 1))) return false
  return true
}
