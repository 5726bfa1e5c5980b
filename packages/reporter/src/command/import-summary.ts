import type { Column, Row } from '@spanledger/analytics'

import { cleanText } from '../format/clean-text.ts'
import { formatSheet } from '../format/write-answer.ts'
import type { ImportSummary } from '../import/import-files.ts'
import type { Tally } from '../import/tally.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import type { Globals } from './globals.ts'
import type { Io } from './io.ts'

/** Writes what became of the records: as data, and, where people read it, the reasons in sentences. */
export async function writeSummary(
  io: Io,
  { source, summary, globals, dryRun }: { source: string; summary: ImportSummary; globals: Globals; dryRun?: DryRun | undefined },
): Promise<void> {
  const { files, totals } = summary
  if (globals.format === 'json') {
    await io.out(`${JSON.stringify({ schema: 'import/v1', source, dry_run: dryRun !== undefined, files, totals, ...dryRun })}\n`)
    return
  }
  const { decorated } = io
  if (dryRun !== undefined && globals.format === 'table') {
    const sheet = { title: 'first calls', columns: firstColumns, rows: dryRun.first, notes: [] }
    await io.out(`${formatSheet(sheet, globals.format, { decorated, header: globals.header })}\n`)
  }
  const columns = dryRun === undefined ? countColumns : countColumns.filter(({ key }) => !unknownInDryRun.has(key))
  const rows = files.map((file) => countRow(file, columns, file.file))
  const sheet = {
    title: `import ${source}`,
    columns,
    rows,
    totals: files.length > 1 ? countRow(totals, columns, 'total') : undefined,
    notes: [],
  }
  await io.out(formatSheet(sheet, globals.format, { decorated, header: globals.header, maxText: Number.POSITIVE_INFINITY }))
  sayWhy(io, summary, dryRun)
}

/** @throws CommandFailure where nothing of a file could be read: then it is another file than was meant */
export function checkAnythingRead({ files }: ImportSummary): void {
  const nothing = files
    .filter(({ records, refused, calls }) => refused > 0 && refused >= records && calls === 0)
    .map(({ file }) => JSON.stringify(file))
  if (nothing.length > 0) throw new CommandFailure(exitCodes.failed, `Every record of ${nothing.join(', ')} was refused.`)
}

/** What a dry run shows beside the counts. */
export interface DryRun {
  /** The first calls, as they were understood. */
  readonly first: readonly Row[]
  /** Columns that the map does not name. */
  readonly not_mapped: readonly string[]
}

const firstColumns: readonly Column[] = [
  { key: 'time', type: 'string', label: 'Time' },
  { key: 'user', type: 'string', label: 'User' },
  { key: 'session', type: 'string', label: 'Session' },
  { key: 'provider', type: 'string', label: 'Provider' },
  { key: 'model', type: 'string', label: 'Model' },
  { key: 'status', type: 'string', label: 'Status' },
  { key: 'input_tokens', type: 'int', label: 'Input' },
  { key: 'cache_read_tokens', type: 'int', label: 'Cache read' },
  { key: 'cache_write_tokens', type: 'int', label: 'Cache write' },
  { key: 'output_tokens', type: 'int', label: 'Output' },
  { key: 'reasoning_tokens', type: 'int', label: 'Reasoning' },
  { key: 'latency_ms', type: 'int', label: 'Latency ms' },
  { key: 'cost_usd', type: 'usd', label: 'Cost' },
  { key: 'reported_cost_usd', type: 'usd', label: 'Reported' },
  { key: 'properties', type: 'string', label: 'Properties' },
]

const countColumns: readonly Column[] = [
  { key: 'file', type: 'string', label: 'File' },
  { key: 'records', type: 'int', label: 'Records' },
  { key: 'calls', type: 'int', label: 'Calls' },
  { key: 'imported', type: 'int', label: 'Imported' },
  { key: 'already_there', type: 'int', label: 'Already there' },
  { key: 'repeated', type: 'int', label: 'Repeated' },
  { key: 'unpriced', type: 'int', label: 'Unpriced' },
  { key: 'events', type: 'int', label: 'Events' },
  { key: 'no_call', type: 'int', label: 'No call' },
  { key: 'refused', type: 'int', label: 'Refused' },
]
const unknownInDryRun: ReadonlySet<string> = new Set(['imported', 'already_there', 'repeated', 'events'])

function countRow(tally: Tally, columns: readonly Column[], file: string): Row {
  return Object.fromEntries(columns.map(({ key }) => [key, key === 'file' ? file : (tally[key as 'records'] ?? null)]))
}

function sayWhy(io: Io, { files, totals }: ImportSummary, dryRun: DryRun | undefined): void {
  for (const { file, refusals } of files) {
    for (const { reason, count, first } of refusals) {
      const lines = first.map(({ line, detail }) => `line ${line}${detail === '' ? '' : `: ${cleanText(detail)}`}`).join('; ')
      io.say(`refused ${count} of ${file} (${reason}): ${lines}${count > first.length ? '; …' : ''}`)
    }
  }
  const mended = Object.entries(totals.mended)
  if (mended.length > 0) io.say(`mended: ${mended.map(([fault, count]) => `${fault} ${count}`).join(', ')} (docs/bad-input.md)`)
  if (totals.unpriced > 0)
    io.say(`unpriced ${totals.unpriced}: no price is known for their model, or they say no usage; report models shows which`)
  if (dryRun === undefined) return
  if (dryRun.not_mapped.length > 0) io.say(`not mapped: ${dryRun.not_mapped.map(cleanText).join(', ')}`)
  io.say('Nothing was written (--dry-run).')
}
