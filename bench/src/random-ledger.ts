import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openStore, type Store, type WrittenCall } from '@spanledger/store'

import { randomCalls, type RandomCallsOptions } from './random-calls.ts'

/** Everything that a report asks for is before this. */
export const LEDGER_NOW_MS = Date.UTC(2026, 3, 1)

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
    for (const call of randomCalls({ calls, ...options })) {
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
