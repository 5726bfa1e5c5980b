import { findEndIn, isBetweenValues, trimRecord, type Framing } from './find-end.ts'

/** A longer record is passed over without being held in memory; it is refused. */
export const MAX_RECORD_BYTES = 32 * 1024 * 1024

/** A place between two records: bytes of the unpacked file before it, and the number of the line behind it. */
export interface Place {
  readonly offset: number
  readonly line: number
}

/** A record as it stands in the file. */
export interface RawRecord {
  /** Without line ends, commas and brackets around it; undefined where it was longer than MAX_RECORD_BYTES. */
  readonly bytes: Buffer | undefined
  /** The same with what stands around it. */
  readonly whole: Buffer | undefined
  /** The line on which it begins, from 1. */
  readonly line: number
  readonly from: Place
  readonly to: Place
}

export interface RecordFrame {
  readonly framing: Framing
  /** The character between two cells of CSV. */
  readonly delimiter: string
}

/**
 * The records of a file from a place on, several at a time. Holds one record and one piece of the file at most.
 * A last record without its end is a record too: what is missing from it, its reader will see.
 */
export async function* rawRecords(pieces: AsyncIterable<Buffer>, frame: RecordFrame, start: Place): AsyncGenerator<RawRecord[]> {
  const { framing } = frame
  const findRecordEnd = (): ReturnType<typeof findEndIn> => findEndIn(framing, frame.delimiter)
  let findEnd = findRecordEnd()
  let place = start
  /** What has come of the record that has not ended yet; nothing of it is kept where it is too long. */
  let begun: Buffer[] = []
  let begunTo = start
  let tooLong = false

  /** Takes the begin of a record. @returns false where it is too long now and its end is to be looked for anew */
  const begin = (bytes: Buffer): boolean => {
    const isOver = begunTo.offset + bytes.length - place.offset > MAX_RECORD_BYTES
    if (isOver && !tooLong) {
      tooLong = true
      begun = []
      if (framing === 'csv') {
        // A quote that is never closed would swallow all that follows: the next line begins a row again.
        findEnd = findEndIn('lines', frame.delimiter)
        return false
      }
    }
    begunTo = after(begunTo, bytes)
    if (!tooLong) begun.push(bytes)
    return true
  }
  const end = (bytes: Buffer): RawRecord[] => {
    const from = place
    const to = after(begunTo, bytes)
    const whole = begun.length === 0 ? bytes : Buffer.concat([...begun, bytes])
    const isTooLong = tooLong || whole.length > MAX_RECORD_BYTES
    const record = isTooLong ? undefined : trimRecord(whole, framing)
    if (tooLong) findEnd = findRecordEnd()
    place = to
    begun = []
    begunTo = to
    tooLong = false
    if (record?.length === 0) return []
    const line = record === undefined ? from.line : from.line + countLines(whole.subarray(0, record.byteOffset - whole.byteOffset))
    return [{ bytes: record, whole: isTooLong ? undefined : whole, line, from, to }]
  }

  for await (const piece of pieces) {
    const records: RawRecord[] = []
    let from = 0
    while (from < piece.length) {
      const to = findEnd(piece, from)
      if (to !== -1) {
        records.push(...end(piece.subarray(from, to)))
        from = to
      } else if (begin(piece.subarray(from))) break
    }
    if (records.length > 0) yield records
  }
  const isEnd = framing === 'values' && begun.every((bytes) => isBetweenValues(bytes))
  if (begunTo.offset > place.offset && (tooLong || !isEnd)) yield end(Buffer.alloc(0))
}

const LINE_FEED = 0x0a

function after({ offset, line }: Place, bytes: Buffer): Place {
  return { offset: offset + bytes.length, line: line + countLines(bytes) }
}

function countLines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}
