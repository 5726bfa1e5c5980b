import { featureIdColumn } from '../rollups/contributions.ts'
import { inCountedSteps } from '../sqlite/in-steps.ts'
import { measureColumns, usageColumns } from '../rollups/measures.ts'
import type { SessionCall } from './session-fold.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** Counted calls in the order of the table, in columns: there are very many. */
export interface KeptCalls {
  readonly count: number
  /** The n-th call; it holds until the next is asked for. */
  readonly call: (n: number) => KeptCall
  /** Hands over what the n-th call adds to each of `measureColumns`, where that is not 0. */
  readonly measures: (n: number, add: (measure: number, amount: number) => void) => void
}

export interface KeptCall extends SessionCall {
  readonly modelId: number
}

/** Which calls: of a time, and of some users or all. */
export interface KeptCallsAsked {
  readonly fromMs: number
  readonly toMs: number
  readonly userIds?: ReadonlySet<number>
  /** Whether what is summed over them is read too. */
  readonly sums?: boolean
}

/** Operations that a message of a user may stand behind. */
const messageOperations: ReadonlySet<string> = new Set(['chat', 'text_completion', 'generate_content'])

export function isMessageOperation(operation: string): boolean {
  return messageOperations.has(operation)
}

/** Calls read at a time: an app whose writer keeps its sessions waits for no more of them. */
const STEP = 2000

/** The counted calls that were asked for, in the order of the table, in steps. */
export async function* readKeptCalls(db: Sqlite, { fromMs, toMs, userIds, sums = false }: KeptCallsAsked): AsyncGenerator<KeptCalls> {
  const kinds = await readKinds(db)
  const columns = sums ? [...plainColumns, ...sumColumns] : plainColumns
  const ofUsers = userIds === undefined ? '' : 'AND c.user_id IN (SELECT value FROM json_each(?))'
  const sql = `SELECT ${columns.map(([, name]) => `json_group_array(${name}) AS ${name}`).join(', ')} FROM (
    SELECT ${columns.map(([expression, name]) => `${expression} AS ${name}`).join(', ')} FROM llm_calls AS c
    WHERE c.start_ms >= ? AND c.start_ms < ? AND c.counted = 1 ${ofUsers} ORDER BY c.start_ms, c.span_id, c.trace_id)`
  for await (const step of inCountedSteps(db, fromMs, toMs, STEP)) {
    const [lists] = await db.all<Record<string, string>>(
      sql,
      step.fromMs,
      step.toMs,
      ...(userIds === undefined ? [] : [JSON.stringify([...userIds])]),
    )
    const values = new Map(Object.entries(lists ?? {}).map(([name, list]) => [name, JSON.parse(list) as (number | null)[]]))
    const calls = inColumns(values, kinds)
    if (calls.count > 0) yield calls
  }
}

type NamedColumn = readonly [expression: string, name: string]
const tokenColumns = Object.values(usageColumns)
const plainColumns: readonly NamedColumn[] = [
  ...['start_ms', 'user_id', 'session_id', 'kind_id', 'model_id', 'latency_ms', 'ttft_ms'].map((name) => [`c.${name}`, name] as const),
  [featureIdColumn, 'feature_id'],
]
const sumColumns: readonly NamedColumn[] = ['cost_nano_usd', ...tokenColumns].map((name) => [`c.${name}`, name] as const)

type Values = ReadonlyMap<string, readonly (number | null)[]>

function inColumns(values: Values, kinds: ReadonlyMap<number, Kind>): KeptCalls {
  const column = (name: string): readonly (number | null)[] => values.get(name) ?? []
  const [starts, users, sessions] = [column('start_ms'), column('user_id'), column('session_id')]
  const [kindIds, models, latencies] = [column('kind_id'), column('model_id'), column('latency_ms')]
  const [waits, features, costs] = [column('ttft_ms'), column('feature_id'), column('cost_nano_usd')]
  const call = { userId: 0, sessionId: 0, startMs: 0, endMs: 0, kindId: 0, featureId: 0, waitMs: 0, isMessage: false, modelId: 0 }
  // Most calls use few of the token columns, and most steps not all.
  const tokens = tokenColumns
    .map((name) => ({ measure: measureColumns.indexOf(name), amounts: column(name) }))
    .filter(({ amounts }) => amounts.some((amount) => amount !== 0))
  return {
    count: starts.length,
    call: (n) => {
      const kindId = kindIds[n] ?? 0
      const startMs = starts[n] ?? 0
      const latencyMs = latencies[n] ?? 0
      call.userId = users[n] ?? 0
      call.sessionId = sessions[n] ?? 0
      call.startMs = startMs
      call.endMs = startMs + latencyMs
      call.kindId = kindId
      call.featureId = features[n] ?? 0
      call.waitMs = waits[n] ?? latencyMs
      call.isMessage = kinds.get(kindId)?.isMessage ?? false
      call.modelId = models[n] ?? 0
      return call
    },
    measures: (n, add) => {
      for (const measure of kinds.get(kindIds[n] ?? 0)?.counts ?? noCounts) add(measure, 1)
      const cost = costs[n] ?? null
      if (cost === null) add(UNPRICED, 1)
      else if (cost !== 0) add(COST, cost)
      for (const { measure, amounts } of tokens) {
        const amount = amounts[n] ?? 0
        if (amount !== 0) add(measure, amount)
      }
      add(LATENCY, latencies[n] ?? 0)
    },
  }
}

const UNPRICED = measureColumns.indexOf('unpriced_requests')
const COST = measureColumns.indexOf('cost_nano_usd')
const LATENCY = measureColumns.indexOf('latency_ms_sum')

interface Kind {
  readonly isMessage: boolean
  /** The measures that count calls of the kind. */
  readonly counts: readonly number[]
}
const noCounts: readonly number[] = [measureColumns.indexOf('requests')]

async function readKinds(db: Sqlite): Promise<ReadonlyMap<number, Kind>> {
  const [row] = await db.all<{ rows: string }>(
    'SELECT json_group_array(json_array(kind_id, operation, status, error_class, usage_quality, origin)) AS rows FROM kinds',
  )
  const rows = JSON.parse(row?.rows ?? '[]') as [number, string, string, string, string, string][]
  return new Map(
    rows.map(([id, operation, status, errorClass, quality, origin]) => {
      const counted: Readonly<Record<string, boolean>> = {
        requests: true,
        errors: status === 'error',
        cancelled: status === 'cancelled',
        estimated_requests: quality === 'estimated' || quality === 'partial',
        missing_usage_requests: quality === 'missing',
        samples: origin === 'sample',
        rate_limited_requests: errorClass === 'rate_limit',
      }
      const counts = measureColumns.flatMap((name, n) => (counted[name] === true ? [n] : []))
      return [id, { isMessage: isMessageOperation(operation), counts }]
    }),
  )
}
