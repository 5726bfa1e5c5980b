import type { Sqlite } from './sqlite.ts'

/** A part of a time, to be told how many calls it had. */
export interface Step {
  readonly fromMs: number
  readonly toMs: number
  readonly take: (calls: number) => void
}

const FIRST_STEP_MS = 60_000

/**
 * Parts of a time of about so many calls each. No part is chosen by counting: the next is as long as the last one says, and at most
 * twice as long, so that few calls in a quiet night cost few parts.
 */
export function* inSteps(fromMs: number, toMs: number, calls: number): Generator<Step> {
  let lengthMs = FIRST_STEP_MS
  for (let at = fromMs; at < toMs;) {
    const end = Math.min(at + lengthMs, toMs)
    yield {
      fromMs: at,
      toMs: end,
      take: (found) => {
        if (found < calls / 2) lengthMs *= 2
        else if (found > calls * 2) lengthMs = Math.max(1, Math.floor((lengthMs * calls) / found))
      },
    }
    at = end
  }
}

/**
 * Parts of a time of no more than so many calls each, but for those of one millisecond: for who writes meanwhile, and must not have a
 * busy hour in memory at once. Each part is looked for in the table of calls.
 */
export async function* inCountedSteps(db: Sqlite, fromMs: number, toMs: number, calls: number): AsyncGenerator<Omit<Step, 'take'>> {
  for (let at = fromMs; at < toMs;) {
    const [next] = await db.all<{ start_ms: number }>(
      'SELECT start_ms FROM llm_calls WHERE start_ms >= ? AND start_ms < ? ORDER BY start_ms LIMIT 1 OFFSET ?',
      at,
      toMs,
      calls,
    )
    const end = next === undefined ? toMs : Math.max(next.start_ms, at + 1)
    yield { fromMs: at, toMs: end }
    at = end
  }
}
