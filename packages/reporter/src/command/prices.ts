import type { Column, Row } from '@spanledger/analytics'
import { openPriceBook, type ModelPrice } from '@spanledger/pricing'
import { Option, type Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { usageFailure } from './failure.ts'
import { optionsOf, withIo, type Globals } from './globals.ts'
import type { Io } from './io.ts'
import { addPriceDiff, addPriceImport } from './price-changes.ts'

interface PriceOptions {
  readonly prices?: string
  readonly at?: string
  readonly provider?: string
  readonly tier?: string
}

const overrides = (): Option => new Option('--prices <file>', 'your own prices, on top of the bundled ones').env('SPANLEDGER_PRICES')

export function addPrices(program: Command): void {
  const prices = program.command('prices').description('the prices that calls are costed with; USD per million tokens')
  const list = prices
    .command('list')
    .description('every price in force')
    .option('--provider <id>', 'only of one provider: openai, anthropic, …')
    .option('--at <date>', 'on that day (default: today)')
    .addOption(overrides())
    .addHelpText('after', '\nExample:\n  spanledger prices list --provider openai --format csv')
    .action(async () => {
      const options = optionsOf<PriceOptions>(list)
      await withIo(options, async (io) => {
        const book = openPriceBook({ overridesPath: options.prices })
        const found = book
          .list(instantOf(options.at))
          .filter(({ provider }) => options.provider === undefined || provider === options.provider)
        await write(io, options, {
          schema: 'prices/v1',
          title: `Prices from ${book.source}`,
          columns: priceColumns,
          rows: found.map(priceRow),
        })
      })
    })
  const explain = prices
    .command('explain')
    .description('how the price of a model is found, or why there is none')
    .argument('<model>', 'as the provider or your app names it; "openai/gpt-4o" also says the provider')
    .option('--provider <id>', 'openai, anthropic, …')
    .option('--tier <tier>', 'service tier: batch, flex, priority, …')
    .option('--at <date>', 'on that day (default: today)')
    .addOption(overrides())
    .addHelpText(
      'after',
      '\nExamples:\n  spanledger prices explain gpt-4o --provider openai\n  spanledger prices explain anthropic/claude-sonnet-4-5 --at 2026-01-01',
    )
    .action(async (model: string) => {
      const options = optionsOf<PriceOptions>(explain)
      await withIo(options, (io) => explainPrice(io, model, options))
    })
  addPriceDiff(prices)
  addPriceImport(prices)
}

async function explainPrice(io: Io, given: string, options: Globals & PriceOptions): Promise<void> {
  const [prefix = '', ...rest] = given.split('/')
  const provider = options.provider ?? (rest.length > 0 ? prefix : undefined)
  const model = options.provider === undefined && rest.length > 0 ? rest.join('/') : given
  if (provider === undefined)
    throw usageFailure(`Which provider's ${JSON.stringify(given)}? Add --provider openai, or write openai/${given}.`)
  const at = instantOf(options.at)
  const book = openPriceBook({ overridesPath: options.prices })
  const found = book.explain(model, {
    provider,
    ...(options.tier === undefined ? {} : { serviceTier: options.tier }),
    ...(at === undefined ? {} : { at }),
  })
  if (options.format === 'json') {
    await io.out(`${JSON.stringify({ schema: 'price-explanation/v1', ...found })}\n`)
    return
  }
  for (const { step, tried, found: hit, detail } of found.steps)
    io.say(`${hit ? 'found' : 'not  '}  ${step}: ${tried}${detail === undefined ? '' : ` (${detail})`}`)
  if (found.unpriced !== undefined) io.say(`unpriced: ${found.unpriced.reason}: ${found.unpriced.detail}`)
  await write(io, options, {
    schema: '',
    title: `Price of ${model} of ${provider}`,
    columns: priceColumns,
    rows: found.prices.map(priceRow),
  })
}

const priceColumns: readonly Column[] = [
  { key: 'provider', type: 'string', label: 'Provider' },
  { key: 'model', type: 'string', label: 'Model' },
  { key: 'tier', type: 'string', label: 'Tier' },
  { key: 'input_tokens_above', type: 'int', label: 'Input above' },
  { key: 'usd_per_million', type: 'string', label: 'USD per million' },
  { key: 'since', type: 'date', label: 'Since' },
  { key: 'source', type: 'string', label: 'Source' },
]

function priceRow({ provider, model, serviceTier, inputTokensAbove, usdPerMillion, startDate, source }: ModelPrice): Row {
  return {
    provider,
    model,
    tier: serviceTier,
    input_tokens_above: inputTokensAbove ?? null,
    usd_per_million: Object.entries(usdPerMillion)
      .map(([unit, usd]) => `${unit} ${usd}`)
      .join(', '),
    since: startDate ?? null,
    source,
  }
}

async function write(
  io: Io,
  { format, header }: Globals,
  sheet: { schema: string; title: string; columns: readonly Column[]; rows: readonly Row[] },
): Promise<void> {
  if (format === 'json') await io.out(`${JSON.stringify({ schema: sheet.schema, columns: sheet.columns, rows: sheet.rows })}\n`)
  else await io.out(formatSheet({ ...sheet, notes: [] }, format, { decorated: io.decorated, maxText: Number.POSITIVE_INFINITY, header }))
}

function instantOf(date: string | undefined): number | undefined {
  if (date === undefined) return undefined
  const ms = /^\d{4}-\d{2}-\d{2}(T.*Z)?$/.test(date) ? Date.parse(date) : Number.NaN
  if (Number.isNaN(ms)) throw usageFailure(`--at ${JSON.stringify(date)}: give a date such as 2026-01-31.`)
  return ms
}
