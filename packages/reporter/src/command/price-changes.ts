import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'

import type { Column, Row } from '@spanledger/analytics'
import { diffPriceBooks, importPrices, openPriceBook, type PriceBook, type PriceDifference, type PriceOverride } from '@spanledger/pricing'
import { Option, type Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { optionsOf, withIo, type Globals } from './globals.ts'
import type { Io } from './io.ts'

interface DiffOptions {
  readonly at?: string
  readonly provider?: string
}

interface ImportOptions {
  readonly prices: string
  readonly from?: string
  readonly provider?: string
  readonly dryRun?: boolean
}

/** The word for the bundled prices, with nothing of the user's on top. */
const BUNDLED = 'bundled'

export function addPriceDiff(prices: Command): void {
  const command = prices
    .command('diff')
    .description('every unit price that differs between two books; a book is a file of your own prices, or "bundled"')
    .argument('<before>', 'a file, or "bundled"')
    .argument('<after>', 'a file, or "bundled"')
    .option('--at <date>', 'on that day (default: today)')
    .option('--provider <id>', 'only of one provider: openai, anthropic, …')
    .addHelpText('after', '\nExample:\n  spanledger prices diff bundled prices.json --at 2026-10-01')
    .action(async (before: string, after: string) => {
      const options = optionsOf<DiffOptions>(command)
      await withIo(options, async (io) => {
        const at = options.at === undefined ? Date.now() : startOf('--at', options.at)
        const found = diffPriceBooks(bookOf(before), bookOf(after), at).filter(ofProvider(options.provider))
        await writeDifferences(io, options, { schema: 'price-diff/v1', title: `From ${before} to ${after}`, found })
        if (found.length === 0) io.say('Both say the same.')
      })
    })
}

export function addPriceImport(prices: Command): void {
  const command = prices
    .command('import')
    .description('add the prices of a list to your own, from a day on: rows as in docs/prices.md, or LiteLLM’s price file')
    .argument('<file>', 'what to read')
    .addOption(new Option('--prices <file>', 'the file of your own prices to add them to').env('SPANLEDGER_PRICES').default('prices.json'))
    .option('--from <date>', 'first day of prices that name none, UTC (default: today); earlier calls keep their price')
    .option('--provider <id>', 'only of one provider: openai, anthropic, …')
    .option('--dry-run', 'show what would change, and write nothing')
    .addHelpText(
      'after',
      `
Nothing is fetched, and no call that is there is priced anew: spanledger reprice does that.

Examples:
  spanledger prices import contract.json --from 2026-10-01 --dry-run
  spanledger prices import model_prices_and_context_window.json --provider openai --prices prices.json`,
    )
    .action(async (file: string) => {
      const options = optionsOf<ImportOptions>(command)
      await withIo(options, (io) => importFile(io, file, options))
    })
}

async function importFile(io: Io, file: string, options: Globals & ImportOptions): Promise<void> {
  const { prices: into, dryRun = false } = options
  const from = options.from ?? new Date().toISOString().slice(0, 10)
  const at = startOf('--from', from)
  const before = existsSync(into) ? openPriceBook({ overridesPath: into }) : openPriceBook()
  const { rows, known, skipped } = importPrices(readText(file), { book: before, from, provider: options.provider, origin: basename(file) })
  const merged = mergeRows(into, rows)
  // Opened before anything is written: a row that cannot be read back must not come into the file.
  const after = openPriceBook({ overrides: merged.all })
  if (merged.added.length > 0 && !dryRun) replaceFile(into, `${JSON.stringify({ ...merged.rest, prices: merged.all }, undefined, 2)}\n`)
  await writeDifferences(io, options, {
    schema: 'price-import/v1',
    title: `What ${file} changes from ${from} on`,
    found: diffPriceBooks(before, after, at),
  })
  const counts = [
    `${merged.added.length} of ${rows.length + known} prices are new`,
    ...(known > 0 ? [`${known} are in force already`] : []),
  ]
  const done = dryRun ? 'nothing is written (--dry-run)' : merged.added.length === 0 ? 'nothing to write' : `written to ${into}`
  io.say(`${counts.join(', ')}; ${done}.`)
  if (skipped.length > 0)
    io.say(
      `note: ${skipped.length} models are left out, because no row can say their price (it depends on the length of the prompt, or is none a token): ${some(skipped)}`,
    )
}

function some(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')}, …` : names.join(', ')
}

interface Merged {
  readonly rest: Readonly<Record<string, unknown>>
  readonly all: readonly PriceOverride[]
  readonly added: readonly PriceOverride[]
}

/** The rows of the file, and after them those that it does not have: a later row wins over an equal one before it. */
function mergeRows(path: string, rows: readonly PriceOverride[]): Merged {
  const { prices = [], ...rest } = existsSync(path) ? (JSON.parse(readText(path)) as { prices?: PriceOverride[] }) : {}
  const there = new Set(prices.map(keyOf))
  const added = rows.filter((row) => !there.has(keyOf(row)))
  return { rest, all: [...prices, ...added], added }
}

/** A row as text, its note apart: where it came from makes no other price. */
function keyOf(row: PriceOverride): string {
  const said = Object.entries(row).filter(([field]) => field !== 'note')
  return JSON.stringify(said.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function replaceFile(path: string, text: string): void {
  const part = `${path}.part`
  try {
    writeFileSync(part, text, { mode: 0o600 })
    renameSync(part, path)
  } catch (cause) {
    rmSync(part, { force: true })
    throw new CommandFailure(
      exitCodes.failed,
      `The prices cannot be written to ${JSON.stringify(path)} (${(cause as Error).message}). Its folder must exist and be writable.`,
      { cause },
    )
  }
}

function bookOf(name: string): PriceBook {
  return name === BUNDLED ? openPriceBook() : openPriceBook({ overridesPath: name })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    throw usageFailure(`Cannot read ${JSON.stringify(file)} (${(cause as Error).message}). Name a file of prices.`, { cause })
  }
}

function startOf(option: string, date: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(ms)) throw usageFailure(`${option} ${JSON.stringify(date)}: give a date such as 2026-01-31.`)
  return ms
}

function ofProvider(provider: string | undefined): (found: PriceDifference) => boolean {
  return (found) => provider === undefined || found.provider === provider
}

async function writeDifferences(
  io: Io,
  { format, header }: Globals,
  { schema, title, found }: { schema: string; title: string; found: readonly PriceDifference[] },
): Promise<void> {
  const rows = found.map(differenceRow)
  if (format === 'json') await io.out(`${JSON.stringify({ schema, columns: differenceColumns, rows })}\n`)
  else if (rows.length > 0 || format !== 'table')
    await io.out(formatSheet({ title, columns: differenceColumns, rows, notes: [] }, format, { decorated: io.decorated, header }))
}

const differenceColumns: readonly Column[] = [
  { key: 'provider', type: 'string', label: 'Provider' },
  { key: 'model', type: 'string', label: 'Model' },
  { key: 'tier', type: 'string', label: 'Tier' },
  { key: 'input_tokens_above', type: 'int', label: 'Input above' },
  { key: 'unit', type: 'string', label: 'Unit' },
  { key: 'before', type: 'string', label: 'Before' },
  { key: 'after', type: 'string', label: 'After' },
]

function differenceRow({ provider, model, serviceTier, inputTokensAbove, unit, before, after }: PriceDifference): Row {
  return {
    provider,
    model,
    tier: serviceTier,
    input_tokens_above: inputTokensAbove ?? null,
    unit,
    before: before ?? null,
    after: after ?? null,
  }
}
