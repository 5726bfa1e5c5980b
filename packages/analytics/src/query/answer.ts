import { formatUsd } from '@spanledger/conventions'

import type { Amount, ColumnType } from './metric.ts'

/** What a report or query answers; the JSON that people script against. */
export interface Answer {
  readonly schema: string
  readonly params: Readonly<Record<string, unknown>>
  readonly meta: AnswerMeta
  readonly columns: readonly Column[]
  readonly rows: readonly Row[]
  /** Over all rows before the limit. */
  readonly totals: Row
  /** All rows that are not listed, as one; null where all are. Where it was asked for. */
  readonly other?: OtherRows | null
  /** What each column is; where it was asked for. */
  readonly definitions?: readonly Definition[]
  /** The same as one nested object, where `shape=seed` was asked for: words and rounded numbers, for people. */
  readonly seed?: unknown
}

/** Rows before or behind the listed ones, taken together: exactly what `totals` have more than the listed rows. */
export interface OtherRows {
  /** How many. */
  readonly rows: number
  /** The columns of `totals`; different users and sessions are counted, not added up. */
  readonly values: Row
}

/** What a column is, in a sentence; the units are those of its type. */
export interface Definition {
  readonly key: string
  readonly label: string
  readonly type: ColumnType
  readonly says: string
}

export interface AnswerMeta {
  /** Instants; the period is [from, to). */
  readonly from: string
  readonly to: string
  readonly tz: string
  readonly as_of: string
  /** False where the period, or the last step of time in it, has not ended at `as_of`. */
  readonly complete: boolean
  readonly requests: number
  readonly users: number
  /** Calls without a user, of all. Null where there are none at all. */
  readonly anonymous_share: number | null
  readonly unpriced_requests: number
  /** How many rows there are before the limit. */
  readonly rows: number
  /** What the next page begins after; null where there is none. */
  readonly next: string | null
  /** How many rows of few users are told as one; where `min_users` was asked for. */
  readonly suppressed_rows?: number
  /** Users whose sign-up cannot be read, or lies more than a day after the first call, and is left out; where sign-ups decide. */
  readonly bad_signup_dates?: number
  readonly warnings: readonly string[]
}

export interface Column {
  readonly key: string
  readonly type: ColumnType
  readonly label: string
}

/** A column with what it is, for `definitions`. */
export interface DefinedColumn extends Column {
  readonly says: string
}

export type Cell = string | number | boolean | readonly number[] | null
export type Row = Readonly<Record<string, Cell>>

/** A row whose money is still bigint and whose times are still ms, for sorting; lists of counts are their JSON. */
export type RawRow = ReadonlyMap<string, Amount | string>

/** What an answer is called, and what was asked, as the caller wrote it. */
export interface Asked {
  readonly schema: string
  readonly params: Readonly<Record<string, unknown>>
}

/** What an answer is put together from. */
export interface AnswerParts {
  readonly asked: Asked
  readonly meta: AnswerMeta
  readonly columns: readonly DefinedColumn[]
  readonly rows: readonly RawRow[]
  readonly totals: RawRow
  /** Undefined where it was not asked for. */
  readonly other?: { readonly rows: number; readonly values: RawRow } | null | undefined
  readonly seed?: unknown
  /** Whether the answer says what its columns are. */
  readonly explain: boolean
}

export function buildAnswer({ asked, meta, columns, rows, totals, other, seed, explain }: AnswerParts): Answer {
  const summed = columns.filter(({ key }) => totals.has(key))
  return {
    ...asked,
    meta,
    columns: columns.map(({ key, type, label }) => ({ key, type, label })),
    rows: rows.map((row) => formatRow(row, columns)),
    totals: formatRow(totals, summed),
    ...(other === undefined ? {} : { other: other === null ? null : { rows: other.rows, values: formatRow(other.values, summed) } }),
    ...(seed === undefined ? {} : { seed }),
    ...(explain ? { definitions: columns.map(({ key, label, type, says }) => ({ key, label, type, says })) } : {}),
  }
}

/** A row as answered: money as decimal text, times in ISO 8601. */
function formatRow(row: RawRow, columns: readonly Column[]): Row {
  return Object.fromEntries(columns.map(({ key, type }) => [key, formatCell(row.get(key) ?? null, type)]))
}

function formatCell(value: Amount | string, type: ColumnType): Cell {
  if (type === 'counts' && typeof value === 'string') return JSON.parse(value) as number[]
  if (value === null || typeof value === 'string') return value
  if (type === 'bool') return Number(value) === 1
  if (type === 'usd') return formatUsd(value)
  if (type === 'time') return new Date(Number(value)).toISOString()
  return typeof value === 'bigint' ? Number(value) : value
}

/** The order of two values of a column; unknown comes last in either direction. */
export function compareCells(a: Amount | string, b: Amount | string, direction: 'asc' | 'desc'): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  const order = a < b ? -1 : a > b ? 1 : 0
  return direction === 'asc' ? order : -order
}

/** `*_previous` and `*_change` of one number. A change from nothing has no ratio. */
export function change(current: Amount | string, previous: Amount | string): number | null {
  if (current === null || previous === null || typeof current === 'string' || typeof previous === 'string') return null
  const before = Number(previous)
  return before === 0 ? null : (Number(current) - before) / before
}
