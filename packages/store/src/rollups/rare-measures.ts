import { measureColumns } from './measures.ts'

/**
 * Measures that are 0 in nearly every row of most ledgers. A column costs each row a byte whatever it holds: rows of which there
 * are very many keep these in one column, `rare`, a JSON list in this order, or NULL where all are 0. Others read them by name.
 */
export const rareMeasures: readonly string[] = measureColumns.filter((name) =>
  [
    'errors',
    'cancelled',
    'unpriced_requests',
    'estimated_requests',
    'missing_usage_requests',
    'samples',
    'cache_write_1h_tokens',
    'audio_input_tokens',
    'audio_cache_read_tokens',
    'audio_output_tokens',
    'image_input_tokens',
    'image_output_tokens',
    'web_searches',
    'rate_limited_requests',
  ].includes(name),
)

const isRare = new Set(rareMeasures)

/** The measures that have a column of their own. */
export const plainMeasures: readonly string[] = measureColumns.filter((name) => !isRare.has(name))

/** SQL of the columns of a table that has both. */
export const measuresSchema: string = [
  ...plainMeasures.map((name) => `${name} INTEGER NOT NULL`),
  'rare TEXT',
  ...rareMeasures.map((name, n) => `${name} INTEGER AS (iif(rare IS NULL, 0, rare ->> ${n})) VIRTUAL`),
].join(',\n    ')

/** SQL of the list. @param of the SQL of each measure, the n-th of the list */
export function rareSql(of: (name: string, n: number) => string): string {
  return `nullif(json_array(${rareMeasures.map(of).join(', ')}), '${JSON.stringify(rareMeasures.map(() => 0))}')`
}

const positions = rareMeasures.map((name) => measureColumns.indexOf(name))

/** The list of measures that stand in the order of `measureColumns`. */
export function rareOf(measures: readonly number[]): readonly number[] | null {
  return positions.some((at) => measures[at] !== 0) ? positions.map((at) => measures[at] ?? 0) : null
}
