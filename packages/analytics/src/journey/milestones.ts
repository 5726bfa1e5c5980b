import { ratio } from '../behavior/session-metrics.ts'
import { quantile } from '../statistics/quantiles.ts'
import { reachedOverTime, shareReachedAt, timeToReach, type Watched } from '../statistics/survival.ts'
import { ownDay, secondsSince, type JourneyTime } from './person.ts'
import { reachedWithin, watchedWays, type Step, type Way } from './way.ts'

/** How many reached a step, and how long it took them. */
export interface Milestone {
  readonly step: Step
  /** Of how many it is known. */
  readonly of: number
  readonly users: number
  readonly rate: number | null
  readonly secondsP50: number | null
  readonly secondsP90: number | null
  /**
   * The share that has reached it by the end of the days looked at, those who came lately counted as far as they are known; null
   * where nobody who had not reached it was seen for so long.
   */
  readonly survivalRate: number | null
  /** The own day by which half have reached it, likewise; null where half have not. */
  readonly daysToHalf: number | null
  /** Who reached this and all ordered steps before it, one after the other; null where it has no place in the order. */
  readonly inOrder: number | null
  /** Who reached all ordered steps before this one; null likewise. */
  readonly before: number | null
  /** Of those who came as far as the ordered step before, which share got no further. */
  readonly dropOff: number | null
}

/**
 * How many of those whose days are over reached each step. The ordered steps are a funnel of their own: whoever takes a later
 * one first has left it.
 */
export function milestones(
  ways: readonly Way[],
  { ordered, others, time }: { readonly ordered: readonly Step[]; readonly others: readonly Step[]; readonly time: JourneyTime },
): Milestone[] {
  const watched = watchedWays(ways, time)
  const rows: Milestone[] = []
  let following = watched.map((way) => ({ way, sinceMs: Number.NEGATIVE_INFINITY }))
  for (const step of ordered) {
    const before = following.length
    following = following.flatMap(({ way, sinceMs }) => {
      const ms = reachedWithin(way, step, time)
      return ms === undefined || ms < sinceMs ? [] : [{ way, sinceMs: ms }]
    })
    rows.push({
      ...countStep(ways, watched, step, time),
      inOrder: following.length,
      before,
      dropOff: ratio(before - following.length, before),
    })
  }
  return [...rows, ...others.map((step) => ({ ...countStep(ways, watched, step, time), inOrder: null, before: null, dropOff: null }))]
}

function countStep(
  ways: readonly Way[],
  watched: readonly Way[],
  step: Step,
  time: JourneyTime,
): Omit<Milestone, 'inOrder' | 'before' | 'dropOff'> {
  const seconds: number[] = []
  for (const way of watched) {
    const ms = reachedWithin(way, step, time)
    if (ms !== undefined) seconds.push(secondsSince(way.person, ms, time))
  }
  const known = ways.flatMap((way) => watchOf(way, step, time) ?? [])
  return {
    step,
    of: watched.length,
    users: seconds.length,
    rate: ratio(seconds.length, watched.length),
    secondsP50: quantile(seconds, 0.5),
    secondsP90: quantile(seconds, 0.9),
    survivalRate: shareReachedAt(known, time.withinDays - 1),
    daysToHalf: timeToReach(reachedOverTime(known), 0.5),
  }
}

/** Up to which own day somebody was seen. A day that is not over is not seen; undefined where none is over. */
function watchOf(way: Way, step: Step, time: JourneyTime): Watched | undefined {
  const lastDay = time.asOfDay - way.person.beginDay - 1
  if (lastDay < 0) return undefined
  const ms = step.at(way)
  const day = ms === undefined ? undefined : ownDay(way.person, ms, time)
  return day !== undefined && day <= lastDay ? { time: day, happened: true } : { time: lastDay, happened: false }
}
