import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openAnalytics } from '@spanledger/analytics'
import { openStore, type WrittenCall } from '@spanledger/store'

import { median, round, timed, type Finding } from './measure.ts'
import { randomCalls } from './random-calls.ts'

export interface UsersReportBenchOptions {
  readonly calls: number
}

/** `report users`, the top 50 with all columns, over all history; and the size of the file it reads. */
export async function benchUsersReport({ calls }: UsersReportBenchOptions): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const path = join(folder, 'ledger.db')
  const writer = await openStore({ path, cacheMiB: 256 })
  let chunk: WrittenCall[] = []
  for (const call of randomCalls({ calls })) {
    chunk.push(call)
    if (chunk.length < 5000) continue
    await writer.write({ calls: chunk })
    chunk = []
  }
  await writer.write({ calls: chunk })
  await writer.close()
  const bytesPerCall = statSync(path).size / calls

  const store = await openStore({ path, readOnly: true })
  const analytics = await openAnalytics(store, { now: () => Date.UTC(2026, 3, 1) })
  const all = (): Promise<unknown> => analytics.report('users', { limit: 50 })
  const month = (): Promise<unknown> => analytics.report('users', { limit: 50, last: '28d' })
  await all()
  const took = { all: [], month: [] } as Record<'all' | 'month', { wallMs: number; cpuMs: number }[]>
  for (let n = 0; n < 15; n++) {
    took.all.push(await timed(all))
    took.month.push(await timed(month))
  }
  await store.close()
  rmSync(folder, { recursive: true })
  const reportMs = median(took.all.map(({ wallMs }) => wallMs))
  return {
    bench: 'users-report',
    figures: {
      calls,
      reportMs: round(reportMs),
      reportCpuMs: round(median(took.all.map(({ cpuMs }) => cpuMs))),
      last28dMs: round(median(took.month.map(({ wallMs }) => wallMs))),
      last28dCpuMs: round(median(took.month.map(({ cpuMs }) => cpuMs))),
      bytesPerCall: round(bytesPerCall),
    },
    targets: [
      {
        what: `report users, top 50, all columns, over ${calls} calls, ms`,
        wanted: '< 150',
        measured: round(reportMs),
        met: reportMs < 150,
      },
      { what: `bytes a call on disk at ${calls} calls`, wanted: '<= 200', measured: round(bytesPerCall), met: bytesPerCall <= 200 },
    ],
  }
}
