import { readFileSync } from 'node:fs'

import { parseBounds, readBilled, type BilledUsage, type Column, type Row } from '@spanledger/analytics'
import { formatUsd } from '@spanledger/conventions'
import { Option, type Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { optionsOf, withLedger, type Globals, type Reading } from './globals.ts'
import { billedClasses, invoiceFields, providerOf, readInvoice, readInvoiceColumns, type BilledClass, type InvoiceLine } from './invoice.ts'

interface ReconcileOptions {
  readonly provider?: string
  readonly columns?: string
  readonly inputIncludesCache?: boolean
  readonly since?: string
  readonly until?: string
  readonly by: 'model' | 'day'
  readonly failBelow?: string
}

export function addReconcile(program: Command): void {
  const command = program
    .command('reconcile')
    .description("compare the ledger with a provider's own account of a period: what was captured, and the gap, by class of token")
    .argument('<file>', "CSV: Anthropic's usage export, OpenAI's usage, or any table with --columns")
    .option('--provider <id>', "whose account it is; known for Anthropic's and OpenAI's")
    .option('--columns <list>', `which column is what: day=Date,output_tokens=Output; fields: ${invoiceFields.join(', ')}`)
    .option('--input-includes-cache', 'with --columns: the input tokens hold those read from and written to a cache')
    .option('--since <when>', 'from a date or an instant on (default: the first day of the table)')
    .option('--until <when>', 'up to a date, that day included (default: the last day of the table)')
    .addOption(new Option('--by <what>', 'one row for each').choices(['model', 'day']).default('model'))
    .option('--fail-below <rate>', `exit with ${exitCodes.thresholdTripped} where less of a class was captured: 0.98`)
    .addHelpText(
      'after',
      `
Days are UTC, as providers bill. Cache hits and sample data are left out.

Examples:
  spanledger reconcile usage.csv --fail-below 0.98
  spanledger reconcile invoice.csv --provider openai --columns 'day=Date,model=Model,input_tokens=Input,cost_usd=Amount'`,
    )
    .action(async (file: string) => {
      const options = optionsOf<ReconcileOptions>(command)
      await withLedger(options, (reading) => reconcile(reading, file, options))
    })
}

async function reconcile({ io, store }: Reading, file: string, options: Globals & ReconcileOptions): Promise<void> {
  const least = options.failBelow === undefined ? undefined : readRate(options.failBelow)
  const asked = options.columns === undefined ? undefined : readInvoiceColumns(options.columns)
  const { lines, layout } = readInvoice(
    readText(file),
    file,
    asked && { columns: asked, inputIncludesCache: options.inputIncludesCache === true, provider: undefined },
  )
  const provider = providerOf(options.provider, layout)
  const period = periodOf(lines, options)
  const inPeriod = lines.filter(
    ({ day }) => day === undefined || (Date.parse(day) >= startOfDay(period.fromMs) && Date.parse(day) < period.toMs),
  )
  const ledger = await readBilled(store, { provider, ...period })
  const compared = compare(inPeriod, ledger, { by: options.by, inputIncludesCache: layout.inputIncludesCache })
  const unpriced = ledger.reduce((sum, { unpricedRequests }) => sum + unpricedRequests, 0)
  await write(io, options, { compared, provider, period, unpriced })
  const short = least === undefined ? [] : compared.totals.filter(({ capture_rate: rate }) => typeof rate === 'number' && rate < least)
  if (short.length > 0)
    throw new CommandFailure(
      exitCodes.thresholdTripped,
      `Captured less than ${options.failBelow}: ${short.map((row) => `${row['class']} ${String(row['capture_rate'])}`).join(', ')}.`,
    )
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw usageFailure(`Cannot read ${JSON.stringify(file)} (${(cause as Error).message}). Name a CSV file.`, { cause })
  }
}

function readRate(text: string): number {
  const rate = Number(text)
  if (text.trim() === '' || !(rate >= 0 && rate <= 1))
    throw usageFailure(`--fail-below ${JSON.stringify(text)}: give a rate from 0 to 1, such as 0.98.`)
  return rate
}

const DAY_MS = 86_400_000

function startOfDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS
}

/** The days of the table, where nothing is said. */
function periodOf(lines: readonly InvoiceLine[], { since, until }: ReconcileOptions): { fromMs: number; toMs: number } {
  const { sinceMs, untilMs } = parseBounds({ since, until }, 'UTC')
  const days = lines.flatMap(({ day }) => day ?? []).sort()
  const [first, last] = [days[0], days.at(-1)]
  const fromMs = sinceMs ?? (first === undefined ? undefined : Date.parse(first))
  const toMs = untilMs ?? (last === undefined ? undefined : Date.parse(last) + DAY_MS)
  if (fromMs === undefined || toMs === undefined)
    throw usageFailure('The table has no days. Say of which period it is: --since and --until.')
  return { fromMs, toMs }
}

interface Sums {
  readonly invoice: Map<BilledClass, bigint>
  readonly ledger: Map<BilledClass, bigint>
}

interface Compared {
  readonly rows: readonly Row[]
  readonly totals: readonly Row[]
}

function compare(
  lines: readonly InvoiceLine[],
  ledger: readonly BilledUsage[],
  { by, inputIncludesCache }: { by: 'model' | 'day'; inputIncludesCache: boolean },
): Compared {
  const classes = billedClasses.filter((name) => lines.some(({ amounts }) => amounts.has(name)))
  const groups = new Map<string, Sums>()
  const total: Sums = { invoice: new Map(), ledger: new Map() }
  const add = (group: string, side: keyof Sums, name: BilledClass, amount: bigint): void => {
    let sums = groups.get(group)
    if (sums === undefined) groups.set(group, (sums = { invoice: new Map(), ledger: new Map() }))
    for (const one of [sums, total]) one[side].set(name, (one[side].get(name) ?? 0n) + amount)
  }
  for (const line of lines) for (const [name, amount] of line.amounts) add(line[by] ?? '', 'invoice', name, amount)
  for (const usage of ledger) for (const name of classes) add(usage[by], 'ledger', name, ledgerAmount(usage, name, inputIncludesCache))
  const rowsOf = (group: string, sums: Sums): Row[] => classes.map((name) => comparedRow(group, name, sums))
  return {
    rows: [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([group, sums]) => rowsOf(group, sums)),
    totals: rowsOf('(all)', total),
  }
}

/** As the table counts: where its input holds what was cached, so does ours. */
function ledgerAmount(usage: BilledUsage, name: BilledClass, inputIncludesCache: boolean): bigint {
  switch (name) {
    case 'requests':
      return BigInt(usage.requests)
    case 'input_tokens':
      return BigInt(usage.inputTokens + (inputIncludesCache ? usage.cacheReadTokens + usage.cacheWriteTokens : 0))
    case 'cache_read_tokens':
      return BigInt(usage.cacheReadTokens)
    case 'cache_write_tokens':
      return BigInt(usage.cacheWriteTokens)
    case 'output_tokens':
      return BigInt(usage.outputTokens)
    case 'web_searches':
      return BigInt(usage.webSearches)
    case 'cost_usd':
      return usage.costNanoUsd
  }
}

function comparedRow(group: string, name: BilledClass, { invoice, ledger }: Sums): Row {
  const [theirs, ours] = [invoice.get(name) ?? 0n, ledger.get(name) ?? 0n]
  const shown = (amount: bigint): string | number => (name === 'cost_usd' ? formatUsd(amount) : Number(amount))
  return {
    group,
    class: name,
    invoice: shown(theirs),
    ledger: shown(ours),
    gap: shown(theirs - ours),
    capture_rate: theirs === 0n ? null : Number((ours * 1_000_000n) / theirs) / 1_000_000,
  }
}

const columnsBy = (by: string): readonly Column[] => [
  { key: 'group', type: 'string', label: by === 'day' ? 'Day' : 'Model' },
  { key: 'class', type: 'string', label: 'Class' },
  { key: 'invoice', type: 'number', label: 'Invoice' },
  { key: 'ledger', type: 'number', label: 'Ledger' },
  { key: 'gap', type: 'number', label: 'Gap' },
  { key: 'capture_rate', type: 'rate', label: 'Captured' },
]

async function write(
  io: Reading['io'],
  { format, header, by }: Globals & ReconcileOptions,
  {
    compared,
    provider,
    period,
    unpriced,
  }: { compared: Compared; provider: string; period: { fromMs: number; toMs: number }; unpriced: number },
): Promise<void> {
  const [from, to] = [new Date(period.fromMs).toISOString(), new Date(period.toMs).toISOString()]
  const { rows, totals } = compared
  const columns = columnsBy(by)
  if (format === 'json') {
    await io.out(
      `${JSON.stringify({ schema: 'reconcile/v1', params: { provider, by }, meta: { from, to, unpriced_requests: unpriced }, columns, rows, totals })}\n`,
    )
    return
  }
  const sheet = { title: `Ledger and ${provider}, ${from} to ${to}`, columns, rows: [...rows, ...totals], notes: [] }
  await io.out(formatSheet(sheet, format, { decorated: io.decorated, header }))
  if (unpriced > 0) io.say(`note: ${unpriced} calls of the ledger have no price; their cost is missing from it`)
}
