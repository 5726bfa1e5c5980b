import { canonicalProvider, parseUsd } from '@spanledger/conventions'
import { parse } from 'csv-parse/sync'

import { CommandFailure, exitCodes, usageFailure } from './failure.ts'

/** What a provider bills apart. */
export const billedClasses = [
  'requests',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'web_searches',
  'cost_usd',
] as const
export type BilledClass = (typeof billedClasses)[number]

/** What the columns of a table can be. */
export const invoiceFields = ['day', 'model', ...billedClasses] as const
type InvoiceField = (typeof invoiceFields)[number]

/** Which columns hold each field; of several the numbers are added. */
export type InvoiceColumns = Readonly<Partial<Record<InvoiceField, readonly string[]>>>

export interface Layout {
  readonly columns: InvoiceColumns
  readonly inputIncludesCache: boolean
  readonly provider: string | undefined
}

/** A line of an invoice; costs are nano-USD. */
export interface InvoiceLine {
  /** UTC, `2026-01-31`; undefined where the table has no days. */
  readonly day: string | undefined
  readonly model: string
  readonly amounts: ReadonlyMap<BilledClass, bigint>
}

/**
 * Tables that are known by their header: Anthropic's usage export (Console, Usage) and OpenAI's usage of completions, whose
 * input holds what was cached (platform.openai.com, API reference, Usage). Both read 2026-11-25.
 */
const knownLayouts: readonly Layout[] = [
  {
    provider: 'anthropic',
    inputIncludesCache: false,
    columns: {
      day: ['usage_date_utc'],
      model: ['model_version'],
      input_tokens: ['usage_input_tokens_no_cache'],
      cache_read_tokens: ['usage_input_tokens_cache_read'],
      cache_write_tokens: ['usage_input_tokens_cache_write_5m', 'usage_input_tokens_cache_write_1h'],
      output_tokens: ['usage_output_tokens'],
      web_searches: ['web_search_count'],
    },
  },
  {
    provider: 'openai',
    inputIncludesCache: true,
    columns: {
      day: ['start_time'],
      model: ['model'],
      requests: ['num_model_requests'],
      input_tokens: ['input_tokens'],
      cache_read_tokens: ['input_cached_tokens'],
      output_tokens: ['output_tokens'],
    },
  },
]

/** `day=Date,input_tokens=Input+Cached input`: which column is what. @throws CommandFailure for a field that is none */
export function readInvoiceColumns(text: string): InvoiceColumns {
  const columns: Partial<Record<InvoiceField, readonly string[]>> = {}
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [name = '', ...rest] = part.split('=')
    const field = invoiceFields.find((one) => one === name.trim())
    if (field === undefined || rest.join('=').trim() === '')
      throw usageFailure(`--columns ${JSON.stringify(part)}: write FIELD=COLUMN, such as day=Date. Fields: ${invoiceFields.join(', ')}.`)
    columns[field] = rest
      .join('=')
      .split('+')
      .map((column) => column.trim())
  }
  return columns
}

/** Reads a table. @throws CommandFailure for what is none, columns it lacks, and cells that are no number */
export function readInvoice(text: string, file: string, asked: Layout | undefined): { lines: InvoiceLine[]; layout: Layout } {
  let rows: Record<string, string>[]
  try {
    rows = parse(text, { bom: true, columns: true, skip_empty_lines: true, trim: true })
  } catch (cause) {
    throw new CommandFailure(exitCodes.failed, `${JSON.stringify(file)} cannot be read as CSV: ${(cause as Error).message}`, { cause })
  }
  const header = Object.keys(rows[0] ?? {})
  const layout =
    asked ?? knownLayouts.find(({ columns }) => [columns.day, columns.input_tokens].flat().every((one) => header.includes(one ?? '')))
  if (layout === undefined) {
    throw usageFailure(
      `The columns of ${JSON.stringify(file)} are not known: ${header.join(', ')}. Say which is what: --columns 'day=…,model=…,input_tokens=…'`,
    )
  }
  const missing = Object.values(layout.columns)
    .flat()
    .filter((column) => !header.includes(column))
  // A known table may lack columns that its provider added later.
  if (asked !== undefined && missing.length > 0)
    throw usageFailure(
      `${JSON.stringify(file)} has no column ${missing.map((one) => JSON.stringify(one)).join(', ')}. It has: ${header.join(', ')}.`,
    )
  const present = Object.fromEntries(
    Object.entries(layout.columns).map(([field, columns]) => [field, columns.filter((one) => header.includes(one))]),
  )
  const classes = billedClasses.filter((name) => (present[name]?.length ?? 0) > 0)
  if (classes.length === 0) throw usageFailure(`--columns names nothing to compare. Name one of: ${billedClasses.join(', ')}.`)
  return { layout, lines: rows.map((row, n) => readLine(row, { present, classes, where: `line ${n + 2} of ${JSON.stringify(file)}` })) }
}

function readLine(
  row: Record<string, string>,
  { present, classes, where }: { present: Record<string, readonly string[]>; classes: readonly BilledClass[]; where: string },
): InvoiceLine {
  const amountOf = (name: BilledClass): bigint =>
    (present[name] ?? []).reduce((sum, column) => sum + readAmount(row[column] ?? '', name, `${JSON.stringify(column)} in ${where}`), 0n)
  const [dayColumn] = present['day'] ?? []
  const [modelColumn] = present['model'] ?? []
  return {
    day: dayColumn === undefined ? undefined : readDay(row[dayColumn] ?? '', where),
    model: modelColumn === undefined ? '' : (row[modelColumn] ?? '').toLowerCase(),
    amounts: new Map(classes.map((name) => [name, amountOf(name)])),
  }
}

function readAmount(text: string, name: BilledClass, where: string): bigint {
  const plain = text.replaceAll(',', '').replace(/^\$/, '')
  if (plain === '') return 0n
  if (name === 'cost_usd') {
    const nanoUsd = parseUsd(plain)
    if (nanoUsd !== undefined) return BigInt(nanoUsd)
  } else if (/^\d{1,15}(?:\.0+)?$/.test(plain)) return BigInt(plain.split('.')[0] ?? 0)
  throw new CommandFailure(
    exitCodes.failed,
    `${where}: ${JSON.stringify(text)} is no ${name === 'cost_usd' ? 'amount of USD' : 'whole number'} of at least 0.`,
  )
}

/** A date, an instant, or seconds since 1970. */
function readDay(text: string, where: string): string {
  const ms = /^\d{9,10}$/.test(text) ? Number(text) * 1000 : Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  if (Number.isNaN(ms)) throw new CommandFailure(exitCodes.failed, `${where}: ${JSON.stringify(text)} is no day such as 2026-01-31.`)
  return new Date(ms).toISOString().slice(0, 10)
}

export function providerOf(given: string | undefined, layout: Layout): string {
  const provider = given ?? layout.provider
  if (provider === undefined) throw usageFailure("Whose invoice is it? Add --provider openai, or another provider's id.")
  return canonicalProvider(provider)
}
