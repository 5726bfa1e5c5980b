import { callColumns } from '@spanledger/analytics'
import { Argument, type Command } from 'commander'

import { parquetRows } from '../format/parquet.ts'
import { formatAnswer, formatSheet } from '../format/write-answer.ts'
import { addPeriodOptions, type AskOptions } from './asking.ts'
import { usageFailure } from './failure.ts'
import { optionsOf, PARQUET, withLedger, type Globals, type Reading } from './globals.ts'

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description('write every call, or every user with all columns; ndjson where no format is given')
    .addArgument(new Argument('<what>', 'what to write').choices(['calls', 'users']))
  addPeriodOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  spanledger export calls --since 2026-01-01 --until 2026-01-31 --format csv --out january.csv
  spanledger export calls --format parquet --out calls.parquet
  spanledger export users --last 3mo`,
    )
    .action(async (what: string) => {
      if (command.optsWithGlobals<{ format: string }>().format === PARQUET) return exportParquet(what, command)
      const options = optionsOf<AskOptions>(command)
      const chosen = command.parent?.getOptionValueSource('format') === 'default' ? 'ndjson' : options.format
      const globals: Globals & AskOptions = { ...options, format: chosen }
      await withLedger(globals, (reading) => (what === 'calls' ? exportCalls(reading, globals) : exportUsers(reading, globals)))
    })
}

/** The same rows as in the other formats, with typed columns. */
async function exportParquet(what: string, command: Command): Promise<void> {
  const globals = command.optsWithGlobals<Globals & AskOptions>()
  if (globals.out === undefined && process.stdout.isTTY === true)
    throw usageFailure('Parquet is no text: name a file with --out, or pipe it to a program.')
  const { since, until, last, where } = globals
  await withLedger(globals, async ({ analytics, io }) => {
    if (what === 'users') {
      const { columns, rows } = await analytics.report('users', { since, until, last, where })
      const file = parquetRows(columns, io.out)
      await file.write(rows)
      return file.end()
    }
    const file = parquetRows(callColumns, io.out)
    for await (const rows of analytics.calls({ since, until, last, where })) await file.write(rows)
    return file.end()
  })
}

async function exportUsers({ analytics, io }: Reading, { since, until, last, where, format, header }: Globals & AskOptions): Promise<void> {
  await io.out(formatAnswer(await analytics.report('users', { since, until, last, where }), format, { decorated: false, header }))
}

/** In steps, so that a ledger of any size fits into memory. */
async function exportCalls({ analytics, io }: Reading, { since, until, last, where, format, header }: Globals & AskOptions): Promise<void> {
  if (format !== 'ndjson' && format !== 'csv' && format !== 'tsv') {
    throw usageFailure(`Calls are written as ndjson, csv or tsv, not as ${format}.`)
  }
  let isFirst = true
  for await (const rows of analytics.calls({ since, until, last, where })) {
    await io.out(
      formatSheet({ title: 'calls', columns: callColumns, rows, notes: [] }, format, { decorated: false, header: header && isFirst }),
    )
    isFirst = false
  }
  if (isFirst)
    await io.out(formatSheet({ title: 'calls', columns: callColumns, rows: [], notes: [] }, format, { decorated: false, header }))
}
