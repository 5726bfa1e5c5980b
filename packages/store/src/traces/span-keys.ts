import type { Sqlite } from '../sqlite/sqlite.ts'

/** What of a span leads to it. */
export interface KeyedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly responseId: string | undefined
}

/**
 * Keys are numbers of 53 bits, and may be those of other spans too: what is found is to be compared. The keys of one trace, and
 * those of one answer, stand side by side: 32 bits of it, then 21 of what is looked for in it.
 */
const WITHIN = 2 ** 21

/** All keys under which spans of a trace are looked for, from this one on, `WITHIN` of them. */
export function traceKeys(traceId: string): number {
  return hash(traceId, 1) * WITHIN
}

/** All keys of calls with a response id. */
export function answerKeys(responseId: string): number {
  return hash(responseId, 2) * WITHIN
}

export function spanKey(traceId: string, spanId: string): number {
  return traceKeys(traceId) + (hash(spanId, 3) % WITHIN)
}

/** Of the spans below one. */
export function childKey(traceId: string, parentSpanId: string): number {
  return traceKeys(traceId) + (hash(parentSpanId, 4) % WITHIN)
}

/** Of the calls with a response id in one trace. */
export function answerKey(responseId: string, traceId: string): number {
  return answerKeys(responseId) + (hash(traceId, 1) % WITHIN)
}

/** FNV-1a over UTF-16 units, and a last mixing, since ids may differ in a few of their last digits only. */
function hash(text: string, seed: number): number {
  let mixed = 0x811c9dc5 ^ seed
  for (let n = 0; n < text.length; n++) mixed = Math.imul(mixed ^ text.charCodeAt(n), 0x01000193)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function keysOf({ traceId, spanId, parentSpanId, responseId }: KeyedSpan): number[] {
  const keys = [spanKey(traceId, spanId)]
  if (parentSpanId !== undefined) keys.push(childKey(traceId, parentSpanId))
  if (responseId !== undefined) keys.push(answerKey(responseId, traceId))
  return keys
}

/** SQL of the numbers of spans under a key, or under keys that stand side by side; both parts are asked. */
export function spansUnder(condition: string): string {
  return `SELECT span FROM young_span_keys WHERE ${condition} UNION ALL SELECT span FROM span_keys WHERE ${condition}`
}

/** SQL of all keys from one on that belong together. */
export function from(key: string): string {
  return `key BETWEEN ${key} AND ${key} + ${WITHIN - 1}`
}

/** Keys as a JSON array, in their order, so that neighbours are looked for one after the other. */
export function keysText(keys: Iterable<number>): string {
  return `[${Float64Array.from(keys).sort().join(',')}]`
}

/** Those of some first keys (`traceKeys`, `answerKeys`; see `keysText`) behind which there is any. */
export async function findKnown(db: Sqlite, firstKeys: string): Promise<ReadonlySet<number>> {
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(j.value) AS found FROM json_each(?) AS j
     WHERE EXISTS (SELECT 1 FROM young_span_keys WHERE ${from('j.value')}) OR EXISTS (SELECT 1 FROM span_keys WHERE ${from('j.value')})`,
    firstKeys,
  )
  return new Set(JSON.parse(row?.found ?? '[]') as number[])
}

/** Rows as `[key, span]`, put into words as they come: their order gains nothing, and large numbers in arrays are objects to V8. */
function entriesText(rows: Iterable<KeyedRow>): string {
  let text = ''
  for (const { row, span } of rows) for (const key of keysOf(span)) text += `${text === '' ? '[' : ','}[${key},${row}]`
  return `${text === '' ? '[' : text}]`
}

/** A span, and the number of its row. */
interface KeyedRow {
  readonly row: number
  readonly span: KeyedSpan
}

/** Under which keys spans are to be found, put into words. */
export interface ReadyKeys {
  readonly firstRow: number
  readonly lastRow: number
  readonly entries: string
}

/** Of spans whose rows are numbered one after the other; undefined where there are none. */
export function readyKeys(rows: readonly KeyedRow[]): ReadyKeys | undefined {
  const [first, last] = [rows[0], rows.at(-1)]
  if (first === undefined || last === undefined) return undefined
  return { firstRow: first.row, lastRow: last.row, entries: entriesText(rows) }
}

/** Notes under which keys spans are found; `behind` is added to the numbers of their rows. Inside a transaction. */
export async function insertKeys(db: Sqlite, { firstRow, lastRow, entries }: ReadyKeys, behind = 0): Promise<void> {
  // A span may have one key for two reasons, by chance.
  await db.run(
    'INSERT OR IGNORE INTO young_span_keys (key, span) SELECT value->>0, value->>1 + CAST(?2 AS INTEGER) FROM jsonb_each(?1)',
    entries,
    behind,
  )
  if (Math.floor((behind + firstRow - 1) / MOVE_EVERY) !== Math.floor((behind + lastRow) / MOVE_EVERY)) await moveKeys(db)
}

/** Takes out the keys of spans that are forgotten. Inside a transaction. */
export async function deleteKeys(db: Sqlite, rows: readonly KeyedRow[]): Promise<void> {
  const bound = entriesText(rows)
  for (const table of ['young_span_keys', 'span_keys']) {
    await db.run(`DELETE FROM ${table} WHERE (key, span) IN (SELECT value->>0, value->>1 FROM jsonb_each(?))`, bound)
  }
}

/** After so many new spans it is looked whether there are too many young keys. */
const MOVE_EVERY = 2048
/** So many keys are young: their pages, about 3 MiB, stay in the page cache. */
const MAX_YOUNG = 131_072

/** Moves as many young keys as are too many, all that stand side by side somewhere. */
async function moveKeys(db: Sqlite): Promise<void> {
  const [row] = await db.all<{ young: number }>('SELECT count(*) AS young FROM young_span_keys')
  const tooMany = (row?.young ?? 0) - MAX_YOUNG
  if (tooMany <= 0) return
  // Anywhere: the next ones are elsewhere, and no note is needed of where the last ones were.
  const start = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER)
  const [last] = await db.all<{ key: number | null }>(
    'SELECT max(key) AS key FROM (SELECT key FROM young_span_keys WHERE key >= ? ORDER BY key LIMIT ?)',
    String(start),
    tooMany,
  )
  const range = [String(start), String(last?.key ?? start)]
  await db.run(
    'INSERT OR IGNORE INTO span_keys SELECT key, span FROM young_span_keys WHERE key BETWEEN ? AND ? ORDER BY key, span',
    ...range,
  )
  await db.run('DELETE FROM young_span_keys WHERE key BETWEEN ? AND ?', ...range)
}
