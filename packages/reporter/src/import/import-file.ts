import type { Batch, SpanLink, Store, WrittenCall, WrittenEvent } from '@spanledger/store'

import { checkpointAt, markName, readCheckpoint, type Checkpoint } from './checkpoint.ts'
import type { Imported } from './imported-call.ts'
import { bytesOf, identityOf, type ImportFile } from './open-file.ts'
import { PassedBytes } from './passed-bytes.ts'
import { rawRecords, type Place, type RawRecord, type RecordFrame } from './raw-records.ts'
import { isRefusal } from './refusal.ts'
import { addOutcome, addRead, addRefusal, addTally, emptyTally, type Tally } from './tally.ts'

/** A file together with how its records are read. */
export interface Source {
  readonly file: ImportFile
  readonly frame: RecordFrame
  /** Where the first record begins. */
  readonly start: Place
  /** What each record is; several at a time, because tables are read faster so. */
  readonly read: (records: readonly RawRecord[]) => readonly Imported[]
  /** All that decides what a record becomes. An import goes on where it was interrupted only if this is the same. */
  readonly how: string
  /** What stands above the records and is needed to read them: the header of CSV. */
  readonly header?: Buffer | undefined
}

/** What an import works with beside the file. */
export interface ImportContext {
  /** Undefined to read only. */
  readonly store: Pick<Store, 'write' | 'mark'> | undefined
  /** From the beginning, also where an import was interrupted. */
  readonly restart: boolean
  readonly signal: AbortSignal
  /** Told how many bytes of the file are read. */
  readonly progress: (bytes: number) => void
  /** Told where an import that was interrupted goes on, or why it does not. */
  readonly resumes: (file: ImportFile, checkpoint: Checkpoint | 'changed') => void
  /** Takes each record that is refused, and where it stands. */
  readonly reject: (record: RawRecord, source: Source) => void
  /** One transaction takes no more calls, or records, than this, and no more properties than ten times as many; 5,000 by default. */
  readonly batch?: number | undefined
  /** Sees each call. */
  readonly see?: ((calls: readonly WrittenCall[], source: Source) => void) | undefined
}

const BATCH = 5000

/** What one transaction will hold. */
interface Gathered {
  readonly calls: WrittenCall[]
  readonly events: WrittenEvent[]
  readonly links: SpanLink[]
  readonly tally: Tally
  properties: number
  last: RawRecord | undefined
  /** Of all bytes up to the end of the last record. */
  sha256: string
}

/**
 * Imports a file in batches, in constant memory. With each batch the ledger keeps how far it has come, so that an import that
 * ends at any instant goes on from there and leaves the same ledger.
 * @returns what became of its records, those before an interruption included; `done` is false where the signal ended it
 */
export async function importFile(source: Source, context: ImportContext): Promise<{ tally: Tally; done: boolean }> {
  const { file } = source
  const mark = markName(identityOf(file.head, source.how))
  const { place, tally: before, isBegun, passed } = await findPlace(source, context, mark)
  const ledger = openLedger(context, mark, before)
  let gathered = gather()
  let bytesRead = 0
  const flush = async (): Promise<void> => {
    const full = gathered
    gathered = gather()
    await ledger.write(full)
  }
  try {
    const pieces = bytesOf(file, { from: place.offset, progress: (bytes) => (bytesRead = bytes) })
    for await (const records of rawRecords(passed.through(pieces), source.frame, place)) {
      for (const [n, read] of source.read(records).entries()) {
        const record = records[n]
        if (record === undefined) break
        takeRecord(gathered, { record, read, source, context })
        if (isFull(gathered, context.batch)) {
          gathered.sha256 = passed.sha256To(record.to.offset)
          await flush()
        }
        if (context.signal.aborted) return { tally: await ledger.stop(), done: false }
      }
      const { last } = gathered
      if (last !== undefined) gathered.sha256 = passed.sha256To(last.to.offset)
      context.progress(bytesRead)
    }
  } catch (error) {
    // A file that breaks off: what was read of it is good.
    await flush()
    await ledger.stop()
    throw error
  }
  await ledger.finish(gathered, isBegun)
  return { tally: ledger.tally, done: true }
}

async function findPlace(
  { file, start }: Source,
  { store, restart, resumes }: ImportContext,
  mark: string,
): Promise<{ place: Place; tally: Tally; isBegun: boolean; passed: PassedBytes }> {
  const fromStart = { place: start, tally: emptyTally(), isBegun: false, passed: new PassedBytes(start.offset) }
  if (store === undefined) return fromStart
  const found = restart ? undefined : await readCheckpoint(store, mark, { file, start })
  if (found === undefined) return { ...fromStart, isBegun: restart }
  resumes(file, found === 'changed' ? found : found.checkpoint)
  if (found === 'changed') return { ...fromStart, isBegun: true }
  const { checkpoint, passed } = found
  return { place: checkpoint.place, tally: checkpoint.tally, isBegun: true, passed }
}

function gather(): Gathered {
  return { calls: [], events: [], links: [], tally: emptyTally(), properties: 0, last: undefined, sha256: '' }
}

function isFull({ calls, events, links, tally, properties }: Gathered, batch = BATCH): boolean {
  return calls.length + events.length + links.length >= batch || tally.records >= batch || properties >= batch * 10
}

function takeRecord(
  gathered: Gathered,
  { record, read, source, context }: { record: RawRecord; read: Imported; source: Source; context: ImportContext },
): void {
  const { tally } = gathered
  tally.records++
  gathered.last = record
  if (isRefusal(read)) {
    addRefusal(tally, read, record.line)
    context.reject(record, source)
    return
  }
  addRead(tally, read, record.line)
  for (const call of read.calls) {
    gathered.calls.push(call)
    gathered.properties += call.properties.size
  }
  if (read.events !== undefined) gathered.events.push(...read.events)
  if (read.links !== undefined) gathered.links.push(...read.links)
  context.see?.(read.calls, source)
}

interface Ledger {
  /** Of all batches that are committed. */
  readonly tally: Tally
  /** Begins to write a batch when the one before is committed; the next may be gathered meanwhile. */
  write(gathered: Gathered): Promise<void>
  /** Waits for what is being written. */
  stop(): Promise<Tally>
  /** Writes the last batch, and forgets the place. */
  finish(gathered: Gathered, isBegun: boolean): Promise<void>
}

function openLedger({ store }: ImportContext, mark: string, before: Tally): Ledger {
  let tally = before
  let writing: Promise<void> = Promise.resolve()
  let isMarked = false

  const commit = async ({ calls, events, links, tally: part, last, sha256 }: Gathered, isLast: boolean): Promise<void> => {
    if (last === undefined && !isLast) return
    if (store === undefined) {
      tally = sumOf(tally, part)
      return
    }
    let next = tally
    const marks: Batch['marks'] = (outcome) => {
      next = sumOf(tally, part)
      addOutcome(next, outcome)
      return new Map([[mark, isLast || last === undefined ? null : JSON.stringify(checkpointAt(last.to, { tally: next, sha256 }))]])
    }
    await store.write({ calls, events, links, marks })
    tally = next
    isMarked = !isLast
  }
  return {
    get tally() {
      return tally
    },
    write: async (gathered) => {
      await writing
      writing = commit(gathered, false)
      writing.catch(() => undefined) // Whoever waits for it next throws; here it only must not count as unhandled.
    },
    stop: async () => {
      await writing
      return tally
    },
    finish: async (gathered, isBegun) => {
      await writing
      if (gathered.tally.records > 0 || isMarked || isBegun) await commit(gathered, true)
    },
  }
}

function sumOf(sum: Tally, part: Tally): Tally {
  const next = structuredClone(sum)
  addTally(next, part)
  return next
}
