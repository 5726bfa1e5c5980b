/** One that was watched: until something happened, or until watching ended. */
export interface Watched {
  readonly time: number
  readonly happened: boolean
}

/** From `time` on, `share` have had it happen. */
export interface ReachedStep {
  readonly time: number
  readonly share: number
}

/**
 * Which share has reached something by when, where not all were watched for equally long (Kaplan and Meier 1958).
 * A step for each time at which it happened, ascending.
 */
export function reachedOverTime(watched: readonly Watched[]): ReachedStep[] {
  const times = [...new Set(watched.filter(({ happened }) => happened).map(({ time }) => time))].sort((a, b) => a - b)
  let left = 1
  return times.map((time) => {
    const atRisk = watched.filter((one) => one.time >= time).length
    const events = watched.filter((one) => one.happened && one.time === time).length
    left *= 1 - events / atRisk
    return { time, share: 1 - left }
  })
}

/** The share that has reached it at `time`. */
export function shareReachedAt(steps: readonly ReachedStep[], time: number): number {
  return steps.findLast((step) => step.time <= time)?.share ?? 0
}

/** When a share of all had reached it; null where it has not been seen to. */
export function timeToReach(steps: readonly ReachedStep[], share: number): number | null {
  return steps.find((step) => step.share >= share - 1e-12)?.time ?? null
}
