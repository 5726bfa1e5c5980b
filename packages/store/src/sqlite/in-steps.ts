/** A part of a time, to be told how many calls it had. */
export interface Step {
  readonly fromMs: number
  readonly toMs: number
  readonly take: (calls: number) => void
}

const FIRST_STEP_MS = 3_600_000

/** Parts of a time of about so many calls each. No part is chosen by counting: the next is as long as the last one says. */
export function* inSteps(fromMs: number, toMs: number, calls: number): Generator<Step> {
  let lengthMs = FIRST_STEP_MS
  for (let at = fromMs; at < toMs;) {
    const end = Math.min(at + lengthMs, toMs)
    yield {
      fromMs: at,
      toMs: end,
      take: (found) => {
        if (found < calls / 2) lengthMs *= 2
        else if (found > calls * 2) lengthMs = Math.max(1, Math.floor(lengthMs / 2))
      },
    }
    at = end
  }
}
