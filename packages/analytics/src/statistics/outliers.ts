import { mean, median, variance } from './quantiles.ts'

/** What turns a mean absolute deviation into a standard deviation, where values are normal: the root of pi / 2, as statistics packages round it. */
const MEAN_DEVIATION_SCALE = 1.253314
/** The same of the median absolute deviation: the upper quartile of the normal distribution. */
const MEDIAN_DEVIATION_SCALE = 0.6745

/**
 * How far a value is from its history, in standard deviations that outliers in the history do not stretch (Iglewicz and
 * Hoaglin 1993). Where half of the history is one value, by the mean deviation from the median.
 * @returns null where the history is empty or never varied
 */
export function robustZ(history: readonly number[], value: number): number | null {
  const middle = median(history)
  if (middle === null) return null
  const deviations = history.map((one) => Math.abs(one - middle))
  const typical = median(deviations) ?? 0
  if (typical > 0) return (MEDIAN_DEVIATION_SCALE * (value - middle)) / typical
  const meanDeviation = mean(deviations) ?? 0
  return meanDeviation === 0 ? null : (value - middle) / (MEAN_DEVIATION_SCALE * meanDeviation)
}

/** A step of an exponentially weighted average, and where it alarms. */
export interface Drift {
  readonly average: number
  readonly limit: number
  readonly alarm: boolean
}

/**
 * Slow drift: an exponentially weighted moving average of new values, which starts at the mean of the history and alarms
 * above `width` standard deviations of its own (Roberts 1959). @returns null of a history of fewer than two values
 */
export function drift(
  history: readonly number[],
  values: readonly number[],
  { weight = 0.3, width = 3 }: { readonly weight?: number; readonly width?: number } = {},
): Drift[] | null {
  const [center, spread] = [mean(history), variance(history)]
  if (center === null || spread === null) return null
  let average = center
  return values.map((value, n) => {
    average = weight * value + (1 - weight) * average
    const limit = center + width * Math.sqrt(((spread * weight) / (2 - weight)) * (1 - (1 - weight) ** (2 * (n + 1))))
    return { average, limit, alarm: average > limit }
  })
}
