import { setTimeout as wait } from 'node:timers/promises'

import { usageFailure } from './failure.ts'
import type { Globals } from './globals.ts'
import type { Io } from './io.ts'

export interface WatchOptions {
  readonly watch?: string
}

/** The interval that `--watch` says. @throws CommandFailure for what is none, or output that cannot be written again */
export function watchMs(text: string, { out }: Pick<Globals, 'out'>): number {
  const match = /^([1-9]\d{0,4})(s|m)$/.exec(text)
  if (match === null) throw usageFailure(`--watch ${JSON.stringify(text)}: give seconds or minutes, such as 5s or 1m.`)
  if (out !== undefined) throw usageFailure('--watch writes again and again, and --out a file once. Leave one of them out.')
  return Number(match[1]) * (match[2] === 'm' ? 60_000 : 1000)
}

/** Does something once, or on and on with a pause between; what it throws ends it. */
export async function repeat(everyMs: number | undefined, io: Io, work: () => Promise<void>): Promise<void> {
  if (everyMs === undefined) return work()
  for (;;) {
    await io.clear()
    await work()
    await wait(everyMs)
  }
}
