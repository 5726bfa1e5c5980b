import { callColumns, eventColumns, type Analytics, type CallsQuery, type Column, type Row } from '@spanledger/analytics'
import { Argument, type Command } from 'commander'

import { parquetRows } from '../format/parquet.ts'
import { formatAnswer, formatSheet } from '../format/write-answer.ts'
import { addPeriodOptions, type AskOptions } from './asking.ts'
import { usageFailure } from './failure.ts'
import { optionsOf, PARQUET, withLedger, type Globals, type Reading } from './globals.ts'

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('write every call, every event, or every user with all columns; ndjson where no format is given')
    .addArgument(new Argument('<what>', 'what to write').choices(['calls', 'events', 'users']))
  addPeriodOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  spanledger export calls --since 2026-01-01 --until 2026-01-31 --format csv --out january.csv
  spanledger export calls --format parquet --out calls.parquet
  spanledger export events --where 'plan = pro' --format csv
  spanledger export users --last 3mo`,
    )
    .action(async (what: string) => {
      if (command.optsWithGlobals<{ format: string }>().format === PARQUET) return exportParquet(what, command)
      const options = optionsOf<AskOptions>(command)
      const chosen = command.parent?.getOptionValueSource('format') === 'default' ? 'ndjson' : options.format
      const globals: Globals & AskOptions = { ...options, format: chosen }
      await withLedger(globals, (reading) => (isStepped(what) ? exportSteps(what, reading, globals) : exportUsers(reading, globals)))
    })
}

/** The same rows as in the other formats, with typed columns. */
async function exportParquet(what: string, command: Command): Promise<void> {
  const globals = command.optsWithGlobals<Globals & AskOptions>()
  if (globals.out === undefined && process.stdout.isTTY === true)
    throw usageFailure('Parquet is no text: name a file with --out, or pipe it to a program.')
  const { since, until, last, where } = globals
  await withLedger(globals, async ({ analytics, io }) => {
    if (!isStepped(what)) {
      const { columns, rows } = await analytics.report('users', { since, until, last, where })
      const file = parquetRows(columns, io.out)
      await file.write(rows)
      return file.end()
    }
    const { columns, read } = stepped[what]
    const file = parquetRows(columns, io.out)
    for await (const rows of read(analytics, { since, until, last, where })) await file.write(rows)
    return file.end()
  })
}

async function exportUsers({ analytics, io }: Reading, { since, until, last, where, format, header }: Globals & AskOptions): Promise<void> {
  await io.out(formatAnswer(await analytics.report('users', { since, until, last, where }), format, { decorated: false, header }))
}

/** What is written in steps, so that a ledger of any size fits into memory. */
const stepped = {
  calls: { columns: callColumns, read: (analytics, words) => analytics.calls(words) },
  events: { columns: eventColumns, read: (analytics, words) => analytics.events(words) },
} as const satisfies Record<string, Stepped>

interface Stepped {
  readonly columns: readonly Column[]
  readonly read: (analytics: Analytics, words: CallsQuery) => AsyncGenerator<readonly Row[]>
}

function isStepped(what: string): what is keyof typeof stepped {
  return Object.hasOwn(stepped, what)
}

async function exportSteps(
  what: keyof typeof stepped,
  { analytics, io }: Reading,
  { since, until, last, where, format, header }: Globals & AskOptions,
): Promise<void> {
  if (format !== 'ndjson' && format !== 'csv' && format !== 'tsv') {
    throw usageFailure(`${what === 'calls' ? 'Calls' : 'Events'} are written as ndjson, csv, tsv or parquet, not as ${format}.`)
  }
  const { columns, read } = stepped[what]
  const write = (rows: readonly Row[], withHeader: boolean): Promise<void> =>
    io.out(formatSheet({ title: what, columns, rows, notes: [] }, format, { decorated: false, header: withHeader }))
  let isFirst = true
  for await (const rows of read(analytics, { since, until, last, where })) {
    await write(rows, header && isFirst)
    isFirst = false
  }
  if (isFirst) await write([], header)
}
