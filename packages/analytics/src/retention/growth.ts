import { intervalLabel, isActive, shiftInterval, startOfInterval, type Interval, type UserHistory } from '../behavior/user-history.ts'

/** Who came, stayed, returned and left in an interval; `active = active before + new + resurrected - dormant`. */
export interface Growth {
  readonly period: string
  readonly active: number
  readonly new: number
  readonly returning: number
  /** Active now, not in the interval before, and not new. */
  readonly resurrected: number
  /** Active in the interval before, not now. */
  readonly dormant: number
  /** Change of active users; null from nothing, and (`complete_only`) of an interval that is not over. */
  readonly growth: number | null
  /** dormant / active before. */
  readonly churn: number | null
  /** (new + resurrected) / dormant. */
  readonly quickRatio: number | null
  readonly complete: boolean
}

export interface GrowthOptions {
  readonly interval: Interval
  /** The first interval is the one that holds `from`; intervals that begin before `to` are told. */
  readonly from: number
  readonly to: number
  /** The first day that is not over. */
  readonly asOfDay: number
  /** The first day of which nothing can be known; the day after `asOfDay` while that is running. */
  readonly knownTo?: number
  /** How an interval that is not over is compared: with the same part of the one before, or not at all. */
  readonly compare?: 'same_elapsed' | 'complete_only'
}

export function growth(
  histories: readonly UserHistory[],
  { interval, from, to, asOfDay, knownTo = asOfDay, compare = 'same_elapsed' }: GrowthOptions,
): Growth[] {
  const rows: Growth[] = []
  for (let start = startOfInterval(interval, from); start < to && start < knownTo; start = shiftInterval(interval, start, 1)) {
    const end = shiftInterval(interval, start, 1)
    const previous = shiftInterval(interval, start, -1)
    const counts = { active: 0, new: 0, returning: 0, resurrected: 0, dormant: 0 }
    for (const history of histories) {
      const isNow = isActive(history, start, end)
      const wasBefore = isActive(history, previous, start)
      if (isNow) {
        counts.active++
        counts[history.firstDay >= start ? 'new' : wasBefore ? 'returning' : 'resurrected']++
      } else if (wasBefore) counts.dormant++
    }
    const before = counts.returning + counts.dormant
    const complete = end <= asOfDay
    rows.push({
      period: intervalLabel(interval, start),
      ...counts,
      growth: complete ? change(counts.active, before) : partialGrowth(),
      churn: before === 0 ? null : counts.dormant / before,
      quickRatio: counts.dormant === 0 ? null : (counts.new + counts.resurrected) / counts.dormant,
      complete,
    })

    /** So far, against as many days of the interval before. */
    function partialGrowth(): number | null {
      if (compare === 'complete_only') return null
      const sameDays = Math.min(previous + (knownTo - start), start)
      return change(counts.active, histories.filter((history) => isActive(history, previous, sameDays)).length)
    }
  }
  return rows
}

function change(now: number, before: number): number | null {
  return before === 0 ? null : (now - before) / before
}
