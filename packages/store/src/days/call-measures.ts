import { usageOf, type usageBuckets } from '@spanledger/conventions'

import { readKinds, type DayCalls } from './day-calls.ts'
import { measureColumns, usageColumns } from '../rollups/measures.ts'
import { measuresOf } from '../rollups/rollup-delta.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** The measures of calls that are read column by column, in the order of `measureColumns`. */
export interface CallMeasures {
  /** Those that some call may have. */
  readonly used: readonly number[]
  /** Of the n-th call; they hold until the next are asked for. */
  of(calls: DayCalls, n: number): readonly number[]
}

const UNPRICED = measureColumns.indexOf('unpriced_requests')
const COST = measureColumns.indexOf('cost_nano_usd')
const LATENCY = measureColumns.indexOf('latency_ms_sum')

export async function openCallMeasures(db: Sqlite, usage: readonly (typeof usageBuckets)[number][]): Promise<CallMeasures> {
  const nothing = { startMs: 0, userId: 0, modelId: 0, featureId: 0, latencyMs: 0, ttftMs: null, costNanoUsd: 0, usage: usageOf({}) }
  const ofKind = new Map(Array.from(await readKinds(db), ([kindId, kind]) => [kindId, measuresOf({ ...nothing, ...kind }).slice()]))
  const positions = usage.map((bucket) => measureColumns.indexOf(usageColumns[bucket]))
  const tokens = new Set<string>(Object.values(usageColumns))
  const measures = measureColumns.map(() => 0)
  return {
    used: measureColumns.flatMap((column, n) => (tokens.has(column) && !positions.includes(n) ? [] : [n])),
    of: (calls, n) => {
      const kind = ofKind.get(calls.kindIds[n] ?? 0)
      if (kind === undefined) throw new Error('a call is of no kind')
      for (let at = 0; at < measures.length; at++) measures[at] = kind[at] ?? 0
      const cost = calls.costsNanoUsd[n] ?? null
      measures[UNPRICED] = cost === null ? 1 : 0
      measures[COST] = cost ?? 0
      measures[LATENCY] = calls.latenciesMs[n] ?? 0
      for (let at = 0; at < positions.length; at++) measures[positions[at] ?? 0] = calls.tokens[at]?.[n] ?? 0
      return measures
    },
  }
}
