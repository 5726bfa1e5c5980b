import { usageBuckets, usageOf, type CallOrigin, type CallStatus, type Usage, type UsageQuality } from '@spanledger/conventions'

import { usageColumns } from './measures.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** What a counted call adds to the rollups. */
export interface Contribution {
  readonly startMs: number
  readonly userId: number
  readonly modelId: number
  /** value_id of property "feature", 0 for none. */
  readonly featureId: number
  readonly status: CallStatus
  readonly quality: UsageQuality
  readonly origin: CallOrigin
  readonly rateLimited: boolean
  readonly latencyMs: number
  readonly ttftMs: number | null
  readonly costNanoUsd: number | null
  readonly usage: Usage
}

/** Rows of calls a rebuild reads at a time. */
const REBUILD_STEP = 20_000

/** The contributions of all counted calls, in steps, in the order of the table. */
export async function* readContributions(db: Sqlite): AsyncGenerator<Contribution[]> {
  let after: readonly [number, string, string] = [-1, '', '']
  for (;;) {
    const [row] = await db.all<{ rows: string }>(contributionsAfter, ...after)
    const rows = JSON.parse(row?.rows ?? '[]') as ContributionRow[]
    const last = rows.at(-1)
    if (last === undefined) return
    after = [last[0], last[1], last[2]]
    yield rows.filter((found) => found[3] === 1).map(toContribution)
  }
}

type ContributionRow = [startMs: number, spanId: string, traceId: string, counted: number, ...rest: (number | string | null)[]]

/** The value_id of property "feature" of a call `c`, 0 for none. */
export const featureIdColumn = `coalesce((SELECT v.value_id FROM segment_values AS v WHERE v.segment_id = c.segment_id AND v.key_id =
      (SELECT key_id FROM property_keys WHERE key = 'feature')),
    CASE (SELECT slot FROM property_keys WHERE key = 'feature') WHEN 1 THEN c.p1 WHEN 2 THEN c.p2 WHEN 3 THEN c.p3 WHEN 4 THEN c.p4
      WHEN 5 THEN c.p5 WHEN 6 THEN c.p6 WHEN 7 THEN c.p7 WHEN 8 THEN c.p8 END, 0)`

/** The columns of a contribution, of `llm_calls AS c JOIN kinds AS k`; calls before this file had a feature have none. */
export const contributionColumns = `c.start_ms, hex(c.span_id), hex(c.trace_id), c.counted, c.user_id, c.model_id,
  ${featureIdColumn},
  k.status, k.usage_quality, k.origin, k.error_class = 'rate_limit', c.latency_ms, c.ttft_ms, c.cost_nano_usd,
  ${usageBuckets.map((bucket) => `c.${usageColumns[bucket]}`).join(', ')}`

const contributionsAfter = `SELECT json_group_array(json_array(${contributionColumns})) AS rows FROM (
    SELECT * FROM llm_calls WHERE (start_ms, span_id, trace_id) > (?, unhex(?), unhex(?))
    ORDER BY start_ms, span_id, trace_id LIMIT ${REBUILD_STEP}) AS c
  JOIN kinds AS k ON k.kind_id = c.kind_id`

/** A row of `contributionColumns`. */
export function toContribution(row: readonly (number | string | null)[]): Contribution {
  const [startMs, , , , userId, modelId, featureId, status, quality, origin, rateLimited, latencyMs, ttftMs, costNanoUsd, ...tokens] = row
  return {
    startMs: Number(startMs),
    userId: Number(userId),
    modelId: Number(modelId),
    featureId: Number(featureId),
    status: status as CallStatus,
    quality: quality as UsageQuality,
    origin: origin as CallOrigin,
    rateLimited: rateLimited === 1,
    latencyMs: Number(latencyMs),
    ttftMs: ttftMs === null || ttftMs === undefined ? null : Number(ttftMs),
    costNanoUsd: costNanoUsd === null || costNanoUsd === undefined ? null : Number(costNanoUsd),
    usage: usageOf(Object.fromEntries(usageBuckets.map((bucket, n) => [bucket, Number(tokens[n])]))),
  }
}

/** The contributions of some calls (JSON of a list that each begin with start, span and trace), and whether these count. */
export async function readContributionsOf(db: Sqlite, keys: string): Promise<{ counted: boolean; contribution: Contribution }[]> {
  const [row] = await db.all<{ rows: string }>(
    `SELECT json_group_array(json_array(${contributionColumns})) AS rows FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)
     JOIN kinds AS k ON k.kind_id = c.kind_id`,
    keys,
  )
  return (JSON.parse(row?.rows ?? '[]') as (number | string | null)[][]).map((found) => ({
    counted: found[3] === 1,
    contribution: toContribution(found),
  }))
}

/** The contributions of those of some calls that count. */
export async function readCountedOf(db: Sqlite, keys: string): Promise<Contribution[]> {
  return (await readContributionsOf(db, keys)).flatMap(({ counted, contribution }) => (counted ? [contribution] : []))
}
