import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openStore, type Store, type WrittenCall } from '@spanledger/store'

import { randomCalls, type RandomCallsOptions } from './random-calls.ts'

/** Everything that a report asks for is before this. */
export const LEDGER_NOW_MS = Date.UTC(2026, 3, 1)
/** The last of the 90 days of random calls begins so long after their first. */
const LAST_DAY_MS = 89 * 86_400_000
/** Four times as many took as much processor time a call. */
const BATCH = 5000

interface RandomLedger {
  readonly store: Store
  readonly bytes: number
}

export interface RandomLedgerOptions extends Pick<RandomCallsOptions, 'startMs'> {
  readonly calls: number
  /**
   * A folder in which the ledger is kept, and read again where it is there: ten million calls take a quarter of an hour to
   * write. Without it the ledger is gone afterwards.
   */
  readonly ledgers?: string | undefined
}

/** Lets `work` read a ledger of random calls, whose days are closed but for the last. */
export async function onRandomLedger<Result>(
  { calls, ledgers, ...options }: RandomLedgerOptions,
  work: (ledger: RandomLedger) => Promise<Result>,
): Promise<Result> {
  const folder = ledgers ?? mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const path = join(folder, `${calls}-calls.db`)
  try {
    if (!existsSync(path)) {
      // What an interrupted run left.
      for (const end of ['', '-wal', '-shm']) rmSync(`${path}.part${end}`, { force: true })
      await writeRandomCalls(`${path}.part`, { calls, ...options })
      renameSync(`${path}.part`, path)
    }
    const store = await openStore({ path, readOnly: true })
    try {
      return await work({ store, bytes: statSync(path).size })
    } finally {
      await store.close()
    }
  } finally {
    if (ledgers === undefined) rmSync(folder, { recursive: true })
  }
}

async function writeRandomCalls(path: string, options: RandomCallsOptions): Promise<void> {
  // Nothing is lost with a file that is made anew, and days are closed once they have all their calls.
  const writer = await openStore({ path, cacheMiB: 256, synchronous: 'normal', closesDays: false })
  const say = progressOf(options.calls)
  let chunk: WrittenCall[] = []
  let areDaysClosed = false
  let lastDayMs = Number.POSITIVE_INFINITY
  for (const call of randomCalls(options)) {
    if (lastDayMs === Number.POSITIVE_INFINITY) lastDayMs = call.startMs + LAST_DAY_MS
    // The days before it are over.
    if (!areDaysClosed && call.startMs >= lastDayMs) {
      await writer.write({ calls: chunk })
      say(chunk.length)
      chunk = []
      process.stderr.write('  closing its days …\n')
      await writer.closeDays()
      areDaysClosed = true
    }
    chunk.push(call)
    if (chunk.length < BATCH) continue
    await writer.write({ calls: chunk })
    say(chunk.length)
    chunk = []
  }
  await writer.write({ calls: chunk })
  await writer.close()
}

/** Says how much of a ledger is written, where that takes minutes. */
function progressOf(calls: number): (written: number) => void {
  const step = 500_000
  let sum = 0
  return (written) => {
    const before = Math.floor(sum / step)
    sum += written
    if (Math.floor(sum / step) > before) process.stderr.write(`  ${sum} of ${calls} calls of the ledger are written\n`)
  }
}
