import { usageBuckets } from '@spanledger/conventions'

import type { Contribution } from '../rollups/contributions.ts'
import { usageColumns } from '../rollups/measures.ts'
import { SLOTS } from '../names/properties.ts'
import { inCountedSteps } from '../sqlite/in-steps.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** Counted calls of a part of a day, column by column: there are many, and an object for each would be most of the work. */
export interface DayCalls {
  readonly length: number
  readonly userIds: Column
  readonly modelIds: Column
  readonly kindIds: Column
  readonly segmentIds: Column
  readonly latenciesMs: Column
  readonly ttftsMs: Column
  readonly costsNanoUsd: Column
  /** In the order of `DayContents.usage`. */
  readonly tokens: readonly Column[]
}

type Column = readonly (number | null)[]

/** What of the calls of a period says anything at all. */
export interface DayContents {
  readonly calls: number
  readonly models: number
  readonly kinds: number
  /** Columns of tokens of which some call has any. */
  readonly usage: readonly (typeof usageBuckets)[number][]
  /** The slots in which some call has a value of a property. */
  readonly slots: readonly number[]
  /** Whether some call has properties that no key is known of, or that are not interned. */
  readonly hasOverflow: boolean
}

export interface Hours {
  readonly fromMs: number
  readonly toMs: number
}

const slots = Array.from({ length: SLOTS }, (_, n) => n + 1)

export async function readDayContents(db: Sqlite, { fromMs, toMs }: Hours): Promise<DayContents> {
  const [row] = await db.all<Record<string, number | null>>(
    `SELECT count(*) AS calls, count(DISTINCT model_id) AS models, count(DISTINCT kind_id) AS kinds, count(overflow) AS overflow,
       ${usageBuckets.map((bucket) => `max(${usageColumns[bucket]}) AS ${bucket}`).join(', ')}, ${slots.map((n) => `count(p${n}) AS p${n}`).join(', ')}
     FROM llm_calls WHERE start_ms >= ? AND start_ms < ? AND counted = 1`,
    fromMs,
    toMs,
  )
  const of = (name: string): number => row?.[name] ?? 0
  return {
    calls: of('calls'),
    models: of('models'),
    kinds: of('kinds'),
    usage: usageBuckets.filter((bucket) => of(bucket) > 0),
    slots: slots.filter((n) => of(`p${n}`) > 0),
    hasOverflow: of('overflow') > 0,
  }
}

/** Calls read at a time: what is in memory at once, and what the event loop waits for, is theirs. */
const STEP = 4000

/** The calls of a day, in steps. */
export async function* readDayCalls(db: Sqlite, { fromMs, toMs }: Hours, { usage }: DayContents): AsyncGenerator<DayCalls> {
  const columns = ['user_id', 'model_id', 'kind_id', 'segment_id', 'latency_ms', 'ttft_ms', 'cost_nano_usd']
  const read = `SELECT ${[...columns, ...usage.map((bucket) => usageColumns[bucket])].map((name) => `json_group_array(${name}) AS ${name}`).join(', ')}
    FROM llm_calls WHERE start_ms >= ? AND start_ms < ? AND counted = 1`
  for await (const step of inCountedSteps(db, fromMs, toMs, STEP)) {
    const [row] = await db.all<Record<string, string>>(read, step.fromMs, step.toMs)
    const list = (name: string): Column => JSON.parse(row?.[name] ?? '[]') as Column
    const [userIds = [], modelIds = [], kindIds = [], segmentIds = [], latenciesMs = [], ttftsMs = [], costsNanoUsd = []] =
      columns.map(list)
    const tokens = usage.map((bucket) => list(usageColumns[bucket]))
    yield { length: userIds.length, userIds, modelIds, kindIds, segmentIds, latenciesMs, ttftsMs, costsNanoUsd, tokens }
  }
}

type Kind = Pick<Contribution, 'status' | 'quality' | 'origin' | 'rateLimited'>

/** What the kind of a call says of it, by kind_id. */
export async function readKinds(db: Sqlite): Promise<ReadonlyMap<number, Kind>> {
  const rows = await db.all<Omit<Kind, 'rateLimited'> & { kind_id: number; rateLimited: number }>(
    "SELECT kind_id, status, usage_quality AS quality, origin, error_class = 'rate_limit' AS rateLimited FROM kinds",
  )
  return new Map(
    rows.map(({ kind_id, status, quality, origin, rateLimited }) => [kind_id, { status, quality, origin, rateLimited: rateLimited === 1 }]),
  )
}
