import { callColumns, eventColumns, type CallsQuery } from '@spanledger/analytics'
import { Argument, type Command } from 'commander'

import { parquetRows } from '../format/parquet.ts'
import { formatAnswer, formatSheet, type Format } from '../format/write-answer.ts'
import { addPeriodOptions, type AskOptions } from './asking.ts'
import { inPieces, usersByTime, type SteppedRows } from './export-users.ts'
import { usageFailure } from './failure.ts'
import { listOf, optionsOf, PARQUET, withLedger, type Globals, type Reading } from './globals.ts'

type What = 'calls' | 'events' | 'users'

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('write every call, every event, or every user with all columns; ndjson where no format is given')
    .addArgument(new Argument('<what>', 'what to write').choices(['calls', 'events', 'users']))
  addPeriodOptions(command)
    .option('--by <list>', 'users: by time:day, time:week or time:month, and further dimensions (property:plan)')
    .option('--metrics <list>', 'users with --by: which metrics to write')
    .addHelpText(
      'after',
      `
Examples:
  spanledger export calls --since 2026-01-01 --until 2026-01-31 --format csv --out january.csv
  spanledger export calls --format parquet --out calls.parquet
  spanledger export events --where 'plan = pro' --format csv
  spanledger export users --last 3mo
  spanledger export users --by time:day --metrics requests,cost_usd --format csv`,
    )
    .action(async (what: What) => {
      const options = command.optsWithGlobals<Omit<Globals, 'format'> & AskOptions & { format: Format | typeof PARQUET }>()
      if (what !== 'users' && options.by !== undefined) throw usageFailure(`--by is for users; of ${what} each is written by itself.`)
      if (options.by === undefined && options.metrics !== undefined)
        throw usageFailure('--metrics needs --by; without it users have all columns.')
      if (options.format === PARQUET) return exportParquet(what, options)
      const globals = optionsOf<AskOptions>(command)
      const chosen = command.parent?.getOptionValueSource('format') === 'default' ? 'ndjson' : globals.format
      await withLedger(globals, (reading) => exportText(what, reading, { ...globals, format: chosen }))
    })
}

/** The same rows as in the other formats, with typed columns. */
async function exportParquet(what: What, options: Omit<Globals, 'format'> & AskOptions): Promise<void> {
  if (options.out === undefined && process.stdout.isTTY === true)
    throw usageFailure('Parquet is no text: name a file with --out, or pipe it to a program.')
  await withLedger({ ...options, format: 'table' }, async (reading) => {
    const { columns, steps } = await rowsOf(what, reading, options)
    const file = parquetRows(columns, reading.io.out)
    for await (const rows of steps) await file.write(rows)
    return file.end()
  })
}

/** In steps, so that a ledger of any size fits into memory. */
async function exportText(what: What, reading: Reading, options: Globals & AskOptions): Promise<void> {
  const { format, header } = options
  const { io, analytics } = reading
  if (format !== 'ndjson' && format !== 'csv' && format !== 'tsv') {
    if (what !== 'users' || options.by !== undefined) {
      throw usageFailure(`${whatIs(what, options)} are written as ndjson, csv, tsv or parquet, not as ${format}.`)
    }
    return io.out(formatAnswer(await analytics.report('users', wordsOf(options)), format, { decorated: false, header }))
  }
  const { columns, steps } = await rowsOf(what, reading, options)
  let isFirst = true
  for await (const rows of steps) {
    await io.out(formatSheet({ title: what, columns, rows, notes: [] }, format, { decorated: false, header: header && isFirst }))
    isFirst = false
  }
  if (isFirst) await io.out(formatSheet({ title: what, columns, rows: [], notes: [] }, format, { decorated: false, header }))
}

/** Rows of an answer that are written at a time. */
const PIECE = 5000

async function rowsOf(what: What, { analytics }: Reading, options: AskOptions): Promise<SteppedRows> {
  const words = wordsOf(options)
  if (what === 'calls') return { columns: callColumns, steps: analytics.calls(words) }
  if (what === 'events') return { columns: eventColumns, steps: analytics.events(words) }
  const by = listOf(options.by)
  if (by !== undefined) return usersByTime(analytics, { ...words, by, metrics: listOf(options.metrics) })
  const { columns, rows } = await analytics.report('users', words)
  return { columns, steps: inPieces(rows, PIECE) }
}

function wordsOf({ since, until, last, where }: AskOptions): CallsQuery {
  return { since, until, last, where }
}

function whatIs(what: What, { by }: AskOptions): string {
  return `${what.slice(0, 1).toUpperCase()}${what.slice(1)}${by === undefined ? '' : ` by ${by}`}`
}
