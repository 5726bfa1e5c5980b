import { openAnalytics } from '@spanledger/analytics'

import { median, round, timed, type Finding } from './measure.ts'
import { LEDGER_NOW_MS, onRandomLedger } from './random-ledger.ts'

export interface ReportsBenchOptions {
  readonly calls: number
  readonly rounds: number
}

/** What each report is asked; all history unless said. */
const asked = {
  users: { limit: 50 },
  properties: { by: ['property:plan'] },
  models: {},
  sessions: { limit: 50 },
  active: {},
  growth: {},
  cohorts: {},
  segments: {},
  behavior: {},
  friction: {},
} as const

/** Every report that should answer at once, over one ledger, in turns. */
export async function benchReports({ calls, rounds }: ReportsBenchOptions): Promise<Finding> {
  const names = Object.keys(asked) as (keyof typeof asked)[]
  const took = await onRandomLedger(calls, async ({ store }) => {
    const analytics = openAnalytics(store, { now: () => LEDGER_NOW_MS })
    const times = new Map(names.map((name) => [name, [] as number[]]))
    // The first round warms the cache of the file.
    for (let n = 0; n <= rounds; n++) {
      for (const [name, all] of times) {
        const { wallMs } = await timed(() => analytics.report(name, asked[name]))
        if (n > 0) all.push(wallMs)
      }
    }
    return times
  })
  const medians = Array.from(took, ([name, all]) => [name, round(median(all))] as const)
  return {
    bench: 'reports',
    figures: { calls, ...Object.fromEntries(medians.map(([name, ms]) => [`${name}Ms`, ms])) },
    targets: medians.map(([name, ms]) => ({
      what: `report ${name}, over ${calls} calls, ms`,
      wanted: '< 150',
      measured: ms,
      met: ms < 150,
    })),
  }
}
