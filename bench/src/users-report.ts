import { openAnalytics } from '@spanledger/analytics'

import { median, round, timed, type Finding } from './measure.ts'
import { LEDGER_NOW_MS, onRandomLedger } from './random-ledger.ts'

export interface UsersReportBenchOptions {
  readonly calls: number
  readonly ledgers?: string | undefined
}

/** `report users`, the top 50 with all columns, over all history; and the size of the file it reads. */
export async function benchUsersReport({ calls, ledgers }: UsersReportBenchOptions): Promise<Finding> {
  const { took, bytesPerCall } = await onRandomLedger({ calls, ledgers }, async ({ store, bytes }) => {
    const analytics = openAnalytics(store, { now: () => LEDGER_NOW_MS })
    const all = (): Promise<unknown> => analytics.report('users', { limit: 50 })
    const month = (): Promise<unknown> => analytics.report('users', { limit: 50, last: '28d' })
    await all()
    const times = { all: [], month: [] } as Record<'all' | 'month', { wallMs: number; cpuMs: number }[]>
    for (let n = 0; n < 15; n++) {
      times.all.push(await timed(all))
      times.month.push(await timed(month))
    }
    return { took: times, bytesPerCall: bytes / calls }
  })
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
