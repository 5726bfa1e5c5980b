/** A record as its reader asks for it, whatever format it came in. */
export interface Fields {
  /** The value under a name; undefined where there is none, where it is null, and where a cell of CSV is empty. */
  get(name: string): unknown
  readonly names: readonly string[]
}

/** The members of a JSON object. */
export function fieldsOfObject(value: Readonly<Record<string, unknown>>): Fields {
  return {
    get: (name) => (Object.hasOwn(value, name) ? (value[name] ?? undefined) : undefined),
    names: Object.keys(value),
  }
}

/** The cells of a row under the names of the header. Names are looked up in a map, so `__proto__` is a name like any other. */
export function fieldsOfRow(columns: CsvColumns, cells: readonly string[]): Fields {
  return {
    get: (name) => {
      const cell = cells[columns.positions.get(name) ?? -1]
      return cell === undefined || cell.trim() === '' ? undefined : cell
    },
    names: columns.names,
  }
}

/** What the header of a CSV file says. */
export interface CsvColumns {
  readonly names: readonly string[]
  /** Of a name that stands there twice, the first. */
  readonly positions: ReadonlyMap<string, number>
  readonly repeated: readonly string[]
}

export function csvColumns(cells: readonly string[]): CsvColumns {
  const names = cells.map((cell) => cell.trim())
  const positions = new Map<string, number>()
  const repeated = new Set<string>()
  for (const [position, name] of names.entries()) {
    if (positions.has(name)) repeated.add(name)
    else positions.set(name, position)
  }
  return { names, positions, repeated: [...repeated] }
}

/**
 * A value as an object: JSON in a cell of CSV is read, also with each of its quotes doubled, as exporters write it that escape
 * twice. Undefined for what is none.
 */
export function objectIn(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  if (typeof value !== 'string' || !/^\s*[{[]/.test(value)) return undefined
  // Text that only looks like JSON is text.
  return parseObject(value) ?? parseObject(value.replaceAll('""', '"'))
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}

/** A value as text; undefined for what is none, and for how databases write "nothing". */
export function textIn(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  return nothing.has(text) ? undefined : text
}

const nothing: ReadonlySet<string> = new Set(['', 'null', 'NULL', 'None', 'undefined', 'NaN', 'nan', '\\N'])

/**
 * A count for `readTokenCount`: text is trimmed, and `12.0` (how tables with gaps write whole numbers) is 12. All else stays as
 * it is, so that what is no count is refused and counted, not lost.
 */
export function countIn(value: unknown): unknown {
  if (typeof value !== 'string') return value ?? undefined
  const text = textIn(value)
  return text?.replace(/^(\d+)\.0+$/, '$1')
}

/** A number; undefined for what is none. */
export function numberIn(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  const text = textIn(value)
  if (text === undefined || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return undefined
  return Number(text)
}
