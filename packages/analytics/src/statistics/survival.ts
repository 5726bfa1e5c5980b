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
  const endings = new Map<number, { all: number; events: number }>()
  for (const { time, happened } of watched) {
    const own = endings.get(time) ?? { all: 0, events: 0 }
    own.all++
    if (happened) own.events++
    endings.set(time, own)
  }
  const steps: ReachedStep[] = []
  let left = 1
  let atRisk = watched.length
  for (const [time, { all, events }] of [...endings].sort(([a], [b]) => a - b)) {
    if (events > 0) {
      left *= 1 - events / atRisk
      steps.push({ time, share: 1 - left })
    }
    atRisk -= all
  }
  return steps
}

/** The share that has reached it at `time`; null where nobody was watched for so long, unless all have reached it by then. */
export function shareReachedAt(watched: readonly Watched[], time: number): number | null {
  const share = reachedOverTime(watched).findLast((step) => step.time <= time)?.share ?? 0
  return share > 1 - 1e-12 || watched.some((one) => one.time >= time) ? share : null
}

/** When a share of all had reached it; null where it has not been seen to. */
export function timeToReach(steps: readonly ReachedStep[], share: number): number | null {
  return steps.find((step) => step.share >= share - 1e-12)?.time ?? null
}

/**
 * Which share has not had it happen at each time: as seen, and after the longest time that anybody was watched for as if it went on at the same
 * mean rate (Brown, Hollander and Korwar 1974).
 */
export function shareLeft(watched: readonly Watched[]): (time: number) => number {
  const steps = reachedOverTime(watched)
  const longest = watched.reduce((most, one) => Math.max(most, one.time), 0)
  const leftAt = (time: number): number => 1 - (steps.findLast((step) => step.time <= time)?.share ?? 0)
  return (time) => (time <= longest || longest === 0 ? leftAt(time) : leftAt(longest) ** (time / longest))
}
