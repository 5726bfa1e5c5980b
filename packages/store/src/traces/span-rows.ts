import type { Identity } from '@spanledger/conventions'

import type { TraceSpan } from './settle.ts'
import { deleteKeys, insertKeys, readyKeys, type ReadyKeys } from './span-keys.ts'
import { SHORT_RUN } from '../sqlite/in-turns.ts'
import { columnsUsed, insertSparse, nothing, readList, sparseText, zero, type SparseColumn } from '../sqlite/sparse-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** A span of trace_spans. */
export interface SpanRow {
  readonly row: number
  readonly span: TraceSpan
}

type Columns = [
  row: number,
  traceId: string,
  spanId: string,
  startMs: number,
  parentSpanId: string | null,
  role: TraceSpan['role'],
  hasUsage: 0 | 1,
  responseId: string | null,
  identity: string | null,
  resourceIdentity: string | null,
  provider: string | null,
  durationMs: number | null,
]

/** Reads rows, which `found` gives as `t`; not more than `limit`. */
export async function readSpanRows(
  db: Sqlite,
  { found, bound, limit }: { found: string; bound: string; limit: number },
): Promise<SpanRow[]> {
  const [result] = await db.all<{ spans: string }>(
    `SELECT json_group_array(json(line)) AS spans FROM (
       SELECT json_array(t.number, lower(hex(t.trace_id)), lower(hex(t.span_id)), t.start_ms, lower(hex(t.parent_span_id)), t.role, t.has_usage,
         t.response_id, t.identity, t.resource_identity, t.provider, t.duration_ms) AS line
       FROM ${found} LIMIT ?)`,
    bound,
    limit,
  )
  return (JSON.parse(result?.spans ?? '[]') as Columns[]).map(toSpanRow)
}

function toSpanRow(columns: Columns): SpanRow {
  const [row, traceId, spanId, startMs, parent, role, hasUsage, responseId, identity, resource, provider, durationMs] = columns
  const span: TraceSpan = {
    traceId,
    spanId,
    startMs,
    parentSpanId: parent === null || parent === '' ? undefined : parent,
    role,
    hasUsage: hasUsage === 1,
    responseId: responseId ?? undefined,
    provider: provider ?? undefined,
    durationMs: durationMs ?? undefined,
    identity: identity === null ? undefined : decodeIdentity(identity),
    resourceIdentity: resource === null ? undefined : decodeIdentity(resource),
  }
  return { row, span }
}

/** A span to be remembered. */
interface NewRow {
  readonly span: TraceSpan
  readonly seenDay: number
}

const unhex = (json: string): string => `unhex(${json})`

const columns: readonly SparseColumn<NewRow>[] = [
  { name: 'trace_id', of: ({ span }) => span.traceId, read: unhex },
  { name: 'span_id', of: ({ span }) => span.spanId, read: unhex },
  { name: 'start_ms', of: ({ span }) => span.startMs },
  { name: 'parent_span_id', of: ({ span }) => span.parentSpanId ?? null, read: unhex, empty: nothing },
  { name: 'role', of: ({ span }) => span.role },
  { name: 'has_usage', of: ({ span }) => (span.hasUsage ? 1 : 0), empty: zero },
  { name: 'response_id', of: ({ span }) => span.responseId ?? null, empty: nothing },
  { name: 'identity', of: ({ span }) => identityList(span.identity), read: readList, empty: nothing },
  { name: 'resource_identity', of: ({ span }) => identityList(span.resourceIdentity), read: readList, empty: nothing },
  { name: 'seen_day', of: ({ seenDay }) => seenDay },
  { name: 'provider', of: ({ span }) => span.provider ?? null, empty: nothing },
  { name: 'duration_ms', of: ({ span }) => span.durationMs ?? null, empty: nothing },
]

/** Spans put into words, as SQLite is given them to be remembered. */
export interface ReadyRows {
  readonly insert: string
  readonly rows: string
  readonly keys: ReadyKeys | undefined
}

export async function readyRows(spans: readonly TraceSpan[], seenDay: number): Promise<ReadyRows> {
  const rows = spans.map((span): NewRow => ({ span, seenDay }))
  const sparse = columnsUsed(columns, rows)
  return {
    insert: insertSparse('trace_spans', sparse, { number: 'CAST(?2 AS INTEGER) + 1 + key' }),
    rows: await sparseText(sparse, rows, SHORT_RUN),
    keys: readyKeys(spans.map((span, n) => ({ row: n + 1, span }))),
  }
}

/**
 * Remembers spans that are not remembered yet, behind the last. Inside a transaction, which holds the lock for writing, so that no
 * other process gives out the next numbers meanwhile.
 */
export async function insertSpanRows(db: Sqlite, { insert, rows, keys }: ReadyRows, lastRow: number): Promise<void> {
  if (keys === undefined) return
  await db.run(insert, rows, lastRow)
  await insertKeys(db, keys, lastRow)
}

/** How many rows are forgotten, or given their keys, at a time. */
const STEP = 5000

/** Forgets the spans that were seen before a day. Inside a transaction. */
export async function deleteSpanRows(db: Sqlite, oldestDay: number): Promise<void> {
  // The rows that were seen first are in front: this looks at no more of the young ones than a step.
  const found = `(SELECT * FROM trace_spans ORDER BY number LIMIT ${STEP}) AS t WHERE t.seen_day < CAST(? AS INTEGER)`
  for (let deleted = STEP; deleted === STEP;) {
    const rows = await readSpanRows(db, { found, bound: String(oldestDay), limit: STEP })
    deleted = rows.length
    if (deleted === 0) return
    await deleteKeys(db, rows)
    await db.run('DELETE FROM trace_spans WHERE number IN (SELECT value FROM json_each(?))', JSON.stringify(rows.map(({ row }) => row)))
  }
}

/** Gives keys to all rows, as those of a ledger that had none. Inside a transaction. */
export async function keySpanRows(db: Sqlite): Promise<void> {
  await db.exec('DELETE FROM span_keys; DELETE FROM young_span_keys')
  for (let after = 0; ;) {
    const found = `trace_spans AS t WHERE t.number > CAST(? AS INTEGER) ORDER BY t.number`
    const rows = await readSpanRows(db, { found, bound: String(after), limit: STEP })
    const keys = readyKeys(rows)
    if (keys !== undefined) await insertKeys(db, keys)
    if (rows.length < STEP) return
    after = rows.at(-1)?.row ?? after
  }
}

function identityList(identity: Identity | undefined): IdentityList | null {
  if (identity === undefined) return null
  const isEmpty = identity.user === undefined && identity.session === undefined && identity.properties.size === 0
  return isEmpty ? null : toList(identity)
}

/** Properties in the order of their keys, so that equal identities are equal texts. */
function toList({ user, session, properties }: Identity): IdentityList {
  const lines: PropertyLine[] = []
  for (const [key, { name, value }] of properties) insertByKey(lines, [key, name, value])
  return [user ?? null, session ?? null, lines]
}

/** Into a list of a few: `sort` would cost more than the rest, most of it memory. */
function insertByKey(lines: PropertyLine[], line: PropertyLine): void {
  let at = lines.length
  lines.push(line)
  for (let before = lines[at - 1]; before !== undefined && before[0] > line[0]; before = lines[--at - 1]) lines[at] = before
  lines[at] = line
}

export function encodeIdentity(identity: Identity): string {
  return JSON.stringify(toList(identity))
}

type IdentityList = readonly [user: string | null, session: string | null, properties: readonly PropertyLine[]]
type PropertyLine = [key: string, name: string, value: string]

export function decodeIdentity(text: string): Identity {
  const [user, session, properties] = JSON.parse(text) as IdentityList
  return {
    user: user ?? undefined,
    session: session ?? undefined,
    properties: new Map(properties.map(([key, name, value]) => [key, { name, value }])),
  }
}
