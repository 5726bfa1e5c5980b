import { CommandFailure, exitCodes } from '../command/failure.ts'
import { checkColumns } from './column-map.ts'
import { csvHeader, type CsvHeader } from './csv-file.ts'
import type { Fields } from './fields.ts'
import { readHelicone } from './helicone.ts'
import type { Source } from './import-file.ts'
import type { Imported } from './imported-call.ts'
import { readLangfuse } from './langfuse.ts'
import { readMappedRow, type RowRules } from './mapped-row.ts'
import { jsonFraming, type ImportFile } from './open-file.ts'
import { readCsvRecords, readJsonRecord } from './read-record.ts'
import type { LocalTimes } from './read-time.ts'
import { isRefusal, type Refusal } from './refusal.ts'
import { readSpans } from './spans.ts'

/** Raised with any change of what a record becomes: a checkpoint of an older version is then of no use. */
const VERSION = 1

/** For times that say no offset. */
export interface ZoneOfTimes {
  readonly zone: LocalTimes
  readonly zoneName: string
}

/**
 * A file of Helicone's export: JSON lines, a JSON array, or CSV.
 * @throws CommandFailure for a file that is none of these
 */
export function heliconeSource(file: ImportFile, { zone, zoneName }: ZoneOfTimes): Promise<Source> {
  return exportSource(file, {
    of: 'Helicone',
    needs: ['request_id', 'response_id'],
    how: ['helicone', VERSION, zoneName],
    read: (fields) => readHelicone(fields, zone),
  })
}

/**
 * A file of Langfuse's observations, or of traces with theirs: JSON lines, a JSON array, answers of its API, or CSV.
 * @throws CommandFailure for a file that is none of these
 */
export function langfuseSource(file: ImportFile, { zone, zoneName }: ZoneOfTimes): Promise<Source> {
  return exportSource(file, {
    of: 'Langfuse',
    needs: ['startTime', 'start_time'],
    how: ['langfuse', VERSION, zoneName],
    read: (fields) => readLangfuse(fields, zone),
  })
}

interface ExportFormat {
  readonly of: string
  /** Columns of its tables, of which one is enough to know them by. */
  readonly needs: readonly string[]
  readonly how: readonly unknown[]
  readonly read: (fields: Fields) => Imported
}

async function exportSource(file: ImportFile, { of, needs, how, read }: ExportFormat): Promise<Source> {
  const readFields = orRefusal(read)
  const shared = { how: JSON.stringify(how) }
  if (looksLikeJson(file))
    return { ...jsonSource(file), ...shared, read: (records) => records.map((record) => readFields(readJsonRecord(record))) }
  const header = await csvHeader(file, ',')
  if (header !== undefined && !needs.some((name) => header.columns.positions.has(name))) {
    throw new CommandFailure(
      exitCodes.failed,
      `${JSON.stringify(file.path)} is no export of ${of}: it is neither JSON nor a table with a column ${needs[0]}. For other tables there is: spanledger import csv`,
    )
  }
  return {
    file,
    frame: { framing: 'csv', delimiter: ',' },
    start: header?.start ?? { offset: file.markBytes, line: 1 },
    read: readRows(header, ',', readFields),
    ...shared,
    header: header?.bytes,
  }
}

/**
 * A table of any kind, read by a map of its columns.
 * @throws CommandFailure where a column of the map is missing
 */
export async function csvSource(
  file: ImportFile,
  rules: RowRules & { readonly delimiter: string; readonly zoneName: string },
): Promise<Source & { readonly columnNames: readonly string[] }> {
  const { delimiter, map, times, zoneName, provider, counting } = rules
  const header = await csvHeader(file, delimiter)
  if (header !== undefined) checkColumns(map, header.columns, file.path)
  return {
    file,
    frame: { framing: 'csv', delimiter },
    start: header?.start ?? { offset: file.markBytes, line: 1 },
    read: readRows(
      header,
      delimiter,
      orRefusal((fields) => readMappedRow(fields, rules)),
    ),
    how: JSON.stringify(['csv', VERSION, [...map.columns], map.properties, times.format, zoneName, delimiter, provider, counting]),
    header: header?.bytes,
    columnNames: header?.columns.names ?? [],
  }
}

/**
 * A file of requests in OTLP's JSON, one a line, as the Collector's file exporter writes it.
 * @throws CommandFailure for a file that is none
 */
export function spansSource(file: ImportFile): Source {
  if (file.head.length > 0 && !looksLikeJson(file)) {
    throw new CommandFailure(
      exitCodes.failed,
      `${JSON.stringify(file.path)} is no JSON. Spans are read as OTLP's JSON, a request a line; of the Collector's file exporter that is "format: json".`,
    )
  }
  return { ...jsonSource(file), read: (records) => records.map(readSpans), how: JSON.stringify(['spans', VERSION]) }
}

type ReadFields = (fields: Fields | Refusal) => Imported

function orRefusal(read: (fields: Fields) => Imported): ReadFields {
  return (fields) => (isRefusal(fields) ? fields : read(fields))
}

/** Rows below a header; without one the file is empty. */
function readRows(header: CsvHeader | undefined, delimiter: string, readFields: ReadFields): Source['read'] {
  if (header === undefined) return () => []
  const readRecords = readCsvRecords(header.columns, delimiter)
  return (records) => readRecords(records).map(readFields)
}

function looksLikeJson({ head }: ImportFile): boolean {
  return /^\s*[[{]/.test(head.subarray(0, 1024).toString())
}

function jsonSource(file: ImportFile): Pick<Source, 'file' | 'frame' | 'start'> {
  return {
    file,
    frame: { framing: jsonFraming(file.head), delimiter: ',' },
    start: { offset: file.markBytes, line: 1 },
  }
}
