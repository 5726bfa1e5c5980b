import { CommandFailure, exitCodes } from '../command/failure.ts'
import type { CsvColumns } from './fields.ts'
import { HEAD_BYTES, MARK_BYTES, type ImportFile } from './open-file.ts'
import { rawRecords, type Place } from './raw-records.ts'
import { readHeader } from './read-record.ts'
import { isRefusal } from './refusal.ts'

/** The header of a CSV file, and where its rows begin. */
export interface CsvHeader {
  readonly columns: CsvColumns
  readonly start: Place
  readonly bytes: Buffer
}

/**
 * Reads the first row of a file as its header; undefined where the file is empty.
 * @throws CommandFailure where the first 64 KiB hold no row
 */
export async function csvHeader(file: ImportFile, delimiter: string): Promise<CsvHeader | undefined> {
  const start = { offset: file.markBytes, line: 1 }
  for await (const [first] of rawRecords(once(file.head), { framing: 'csv', delimiter }, start)) {
    if (first === undefined) continue
    const columns = readHeader(first, delimiter)
    if (isRefusal(columns)) throw wrongHeader(file, columns.detail)
    if (first.to.offset - start.offset === file.head.length && !first.whole?.includes('\n')) {
      if (file.head.includes('\r')) throw wrongHeader(file, 'its lines end in CR alone; save it with LF or CRLF')
      if (file.head.length >= HEAD_BYTES - MARK_BYTES) throw wrongHeader(file, 'it is longer than 64 KiB')
    }
    return { columns, start: first.to, bytes: first.bytes ?? Buffer.alloc(0) }
  }
  return undefined
}

function wrongHeader({ path }: ImportFile, detail: string): CommandFailure {
  return new CommandFailure(
    exitCodes.failed,
    `The first line of ${JSON.stringify(path)} cannot be read as the header of a table: ${detail}.`,
  )
}

// oxlint-disable-next-line require-await -- what reads records takes pieces as they come
async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
