import { openAnalytics, type ReportParams } from '@spanledger/analytics'

import { median, round, timed, type Finding } from './measure.ts'
import { LEDGER_NOW_MS, onRandomLedger } from './random-ledger.ts'

/** A report, what it is asked, and within which time it should answer; all history unless said. */
interface AskedReport {
  readonly report: string
  readonly params: ReportParams
  readonly withinMs: number
}

export interface ReportsBenchOptions {
  readonly bench: string
  readonly calls: number
  readonly rounds: number
  readonly asked: Readonly<Record<string, AskedReport>>
  /** Where ledgers are kept; see `onRandomLedger`. */
  readonly ledgers?: string | undefined
}

const from = (report: string, params: ReportParams, withinMs = 150): AskedReport => ({ report, params, withinMs })

/** Every report that should answer at once. */
export const reportsAsked = {
  users: from('users', { limit: 50 }),
  properties: from('properties', { by: ['property:plan'] }),
  propertiesByTwo: from('properties', { by: ['property:plan', 'property:feature'] }),
  propertiesFiltered: from('properties', { by: ['property:plan'], where: 'environment = production' }),
  models: from('models', {}),
  active: from('active', {}),
  growth: from('growth', {}),
  cohorts: from('cohorts', {}),
  segments: from('segments', {}),
  sessions: from('sessions', { limit: 50 }),
  sessionMetrics: from('session_metrics', {}),
  behavior: from('behavior', {}),
  friction: from('friction', {}),
} as const

/** Those that should answer at ten million calls too. */
export const reportsAskedOfMany = {
  users: from('users', { limit: 50 }, 400),
  properties: from('properties', { by: ['property:plan'] }, 400),
  propertiesByTwo: from('properties', { by: ['property:plan', 'property:feature'] }, 1000),
  propertiesFiltered: from('properties', { by: ['property:plan'], where: 'environment = production' }, 1000),
  models: from('models', {}, 1000),
  active: from('active', {}, 1000),
  growth: from('growth', {}, 1000),
  cohorts: from('cohorts', {}, 1000),
  segments: from('segments', {}, 1000),
  sessions: from('sessions', { limit: 50 }, 1000),
  sessionMetrics: from('session_metrics', {}, 1000),
  behavior: from('behavior', {}, 1000),
  friction: from('friction', {}, 1000),
} as const

/** Reports over one ledger whose days are closed, in turns. */
export async function benchReports({ bench, calls, rounds, asked, ledgers }: ReportsBenchOptions): Promise<Finding> {
  const names = Object.keys(asked)
  const { took, bytes } = await onRandomLedger({ calls, ledgers }, async ({ store, bytes: size }) => {
    const analytics = openAnalytics(store, { now: () => LEDGER_NOW_MS })
    const times = new Map(names.map((name) => [name, [] as { wallMs: number; cpuMs: number }[]]))
    // The first round warms the cache of the file.
    for (let n = 0; n <= rounds; n++) {
      for (const [name, all] of times) {
        const one = asked[name]
        if (one === undefined) continue
        const { wallMs, cpuMs } = await timed(() => analytics.report(one.report, one.params))
        if (n > 0) all.push({ wallMs, cpuMs })
      }
    }
    return { took: times, bytes: size }
  })
  const medians = Array.from(took, ([name, all]) => ({
    name,
    wallMs: round(median(all.map(({ wallMs }) => wallMs))),
    cpuMs: round(median(all.map(({ cpuMs }) => cpuMs))),
  }))
  return {
    bench,
    figures: {
      calls,
      bytesPerCall: round(bytes / calls),
      ...Object.fromEntries(
        medians.flatMap(({ name, wallMs, cpuMs }) => [[`${name}Ms`, wallMs] as const, [`${name}CpuMs`, cpuMs] as const]),
      ),
    },
    targets: medians.map(({ name, wallMs }) => {
      const withinMs = asked[name]?.withinMs ?? 0
      return { what: `report ${name}, over ${calls} calls, ms`, wanted: `< ${withinMs}`, measured: wallMs, met: wallMs < withinMs }
    }),
  }
}
