import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openStore, type Store, type WrittenCall } from '@spanledger/store'

import { randomCalls, type RandomCallsOptions } from './random-calls.ts'

/** Everything that a report asks for is before this. */
export const LEDGER_NOW_MS = Date.UTC(2026, 3, 1)
/** The last of the 90 days of random calls begins so long after their first. */
const LAST_DAY_MS = 89 * 86_400_000

/** Lets `work` read a ledger of random calls, which is gone afterwards. */
export async function onRandomLedger<Result>(
  calls: number,
  work: (ledger: { readonly store: Store; readonly bytes: number }) => Promise<Result>,
  options: Pick<RandomCallsOptions, 'startMs'> = {},
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const path = join(folder, 'ledger.db')
  try {
    const writer = await openStore({ path, cacheMiB: 256 })
    let chunk: WrittenCall[] = []
    let areDaysClosed = false
    let lastDayMs = Number.POSITIVE_INFINITY
    for (const call of randomCalls({ calls, ...options })) {
      if (lastDayMs === Number.POSITIVE_INFINITY) lastDayMs = call.startMs + LAST_DAY_MS
      // The days before it are over.
      if (!areDaysClosed && call.startMs >= lastDayMs) {
        await writer.write({ calls: chunk })
        chunk = []
        await writer.closeDays()
        areDaysClosed = true
      }
      chunk.push(call)
      if (chunk.length < 5000) continue
      await writer.write({ calls: chunk })
      chunk = []
    }
    await writer.write({ calls: chunk })
    await writer.close()
    const store = await openStore({ path, readOnly: true })
    try {
      return await work({ store, bytes: statSync(path).size })
    } finally {
      await store.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
