import { ratio } from '../behavior/session-metrics.ts'
import { quantile } from '../statistics/quantiles.ts'

/** When somebody took the steps of a funnel, one after the other, as far as it came; the first is there always. In ms. */
export type Path = readonly [enteredMs: number, ...stepMs: number[]]

/** How many came as far as a step. */
export interface FunnelStep {
  readonly users: number
  /** Of those who took the first step. */
  readonly rate: number | null
  /** Who took the first step, and the step before; null of the first. */
  readonly entered: number
  readonly before: number | null
  /** Of those who took the step before; null of the first. */
  readonly conversion: number | null
  readonly dropOff: number | null
  /** Since the step before, of those who took this one. */
  readonly secondsP50: number | null
  readonly secondsP90: number | null
  /** Since the first step. */
  readonly totalSecondsP50: number | null
}

/** Counts paths by step. A path has a step only behind the one before it, so that no step has more users than that. */
export function funnel(paths: readonly Path[], steps: number): FunnelStep[] {
  return Array.from({ length: steps }, (_, n) => {
    const here = paths.filter((path) => path.length > n)
    const before = n === 0 ? null : paths.filter((path) => path.length >= n).length
    const since = (k: number): number[] => here.map((path) => ((path[n] ?? 0) - (path[k] ?? 0)) / 1000)
    const conversion = before === null ? null : ratio(here.length, before)
    return {
      users: here.length,
      rate: ratio(here.length, paths.length),
      entered: paths.length,
      before,
      conversion,
      dropOff: before === null ? null : ratio(before - here.length, before),
      secondsP50: n === 0 ? null : quantile(since(n - 1), 0.5),
      secondsP90: n === 0 ? null : quantile(since(n - 1), 0.9),
      totalSecondsP50: n === 0 ? null : quantile(since(0), 0.5),
    }
  })
}
