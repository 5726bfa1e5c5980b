import { inTurns } from './in-turns.ts'

/**
 * A column of rows that are sent to SQLite as one JSON text. Most columns of most rows say nothing (no audio, no images, no slot
 * used): a column of which no row of a batch says anything is neither sent nor read from the JSON, which is most of what
 * inserting a row costs.
 */
export interface SparseColumn<Row> {
  readonly name: string
  readonly of: (row: Row) => SparseValue
  /** The value that says nothing, in JavaScript and in SQL; without it the column is always sent. */
  readonly empty?: { readonly value: 0 | null | ''; readonly sql: '0' | 'NULL' | "x''" }
  /** SQL of what is read from JSON, where that is not the value itself. */
  readonly read?: (json: string) => string
}

/** A list is kept as its JSON: written as part of all, it costs a third of what a text in it does. */
export type SparseValue = string | number | null | readonly unknown[]

/** SQL of a column whose values are lists. */
export const readList = (json: string): string => `nullif(${json.replace('->>', '->')}, 'null')`

/** Those columns of which some row says something, and the others. */
export interface ColumnsUsed<Row> {
  readonly used: readonly SparseColumn<Row>[]
  readonly unused: readonly SparseColumn<Row>[]
}

export function columnsUsed<Row>(columns: readonly SparseColumn<Row>[], rows: readonly Row[]): ColumnsUsed<Row> {
  const isUsed = ({ empty, of }: SparseColumn<Row>): boolean => empty === undefined || rows.some((row) => of(row) !== empty.value)
  const used = new Set(columns.filter(isUsed))
  return { used: [...used], unused: columns.filter((column) => !used.has(column)) }
}

/** Binds what `sparseText` gives as `?1`. `computed`: SQL of further columns by name; there `key` counts the rows from 0. */
export function insertSparse<Row>(
  table: string,
  { used, unused }: ColumnsUsed<Row>,
  computed: Readonly<Record<string, string>> = {},
): string {
  const names = [...used, ...unused].map(({ name }) => name).concat(Object.keys(computed))
  const values = used.map(({ read }, n) => (read === undefined ? `value->>${n}` : read(`value->>${n}`)))
  return `INSERT INTO ${table} (${names.join(', ')})
    SELECT ${[...values, ...unused.map(({ empty }) => empty?.sql ?? 'NULL'), ...Object.values(computed)].join(', ')} FROM jsonb_each(?1)`
}

/** Rows as a JSON array, each an array of the values of the columns used. */
export async function sparseText<Row>({ used }: ColumnsUsed<Row>, rows: readonly Row[], runLength?: number): Promise<string> {
  if (rows.length === 0) return '[]'
  const texts: string[] = []
  // Lists that grow at their end are written a quarter faster than those `map` gives, which V8 takes to have holes. They are the
  // same for each run: new ones would be a kilobyte a row.
  const lists: SparseValue[][] = []
  let done = 0
  const add = (run: readonly Row[]): void => {
    lists.length = Math.min(lists.length, run.length)
    for (let n = 0; n < run.length; n++) {
      const row = run[n] as Row
      const ofRow = (lists[n] ??= [])
      for (let column = 0; column < used.length; column++) ofRow[column] = (used[column] as SparseColumn<Row>).of(row)
    }
    const isFirst = done === 0
    done += run.length
    // The brackets of all are those of the first and the last: set around the whole, that would be copied once more.
    texts.push(JSON.stringify(lists).slice(isFirst ? 0 : 1, done === rows.length ? undefined : -1))
  }
  await inTurns(rows, add, runLength)
  return texts.join(',')
}

export const zero = { value: 0, sql: '0' } as const
export const nothing = { value: null, sql: 'NULL' } as const
export const noBytes = { value: '', sql: "x''" } as const
