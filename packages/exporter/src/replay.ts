import { StoreError, type Batch, type Store } from '@spanledger/store'

import { APP_MARK, isNewNote } from './setup-note.ts'
import { decodeBatch } from './spool-line.ts'
import type { Spool } from './spool.ts'

/** What a replay brought into the store. */
export interface Replayed {
  readonly files: number
  /** Calls that were not in the ledger before. */
  readonly calls: number
}

/** How many calls of a spool file go into one transaction. */
const CALLS_PER_WRITE = 512

/**
 * Brings all that waits in a spool into the store, file by file; a file is removed once its calls are committed.
 * @throws StoreError when the store takes no more; the rest waits on
 */
export async function replaySpool(store: Store, spool: Spool, isStopped: () => boolean = () => false): Promise<Replayed> {
  let files = 0
  let calls = 0
  while (!isStopped()) {
    const file = await spool.claim()
    if (file === undefined) break
    try {
      const { batch, refused } = decodeBatch(await file.read())
      for (const part of cutBatch(batch, CALLS_PER_WRITE)) calls += (await writeWhatFits(store, spool, part)).inserted
      const counts = new Map(batch.counts)
      if (refused > 0) counts.set('spool_lines_refused', (counts.get('spool_lines_refused') ?? 0) + refused)
      if (counts.size > 0) await store.count(counts)
      await writeNewNotes(store, batch.notes)
    } catch (error) {
      await file.release()
      throw error
    }
    await file.remove()
    files++
  }
  return { files, calls }
}

/** Notes of what has ended long ago must not replace younger ones. */
async function writeNewNotes(store: Store, notes: ReadonlyMap<string, string>): Promise<void> {
  if (notes.size === 0) return
  const known = await store.marks(APP_MARK)
  const fresh = [...notes].filter((note) => isNewNote(note, known.get(note[0])))
  if (fresh.length > 0) await store.write({ calls: [], marks: () => new Map(fresh) })
}

/**
 * Writes a batch. Where the store finds a fault with the batch rather than with itself, writes it in halves, so that one
 * bad call takes no other down with it; what it refuses alone is set aside in the spool and counted (`refused_by_store`).
 * @throws StoreError when the fault is the store's; parts may be in the ledger then, and may be written again
 */
export async function writeWhatFits(store: Store, spool: Spool, batch: Batch): Promise<{ inserted: number; refused: number }> {
  const { inserted, refused, error } = await writeHalves(store, batch)
  if (refused.length === 0) return { inserted, refused: 0 }
  // A store that refuses every one of several is at fault itself.
  if (refused.length > 1 && refused.length === sizeOf(batch)) throw error
  // Where the spool takes nothing either, the count is all that is left of them.
  for (const one of refused) await spool.setAside(one).catch(() => undefined)
  await store.count(new Map([['refused_by_store', refused.length]]))
  return { inserted, refused: refused.length }
}

/** Of what was not inserted, each call, link and event by itself, and why. */
interface Fitted {
  readonly inserted: number
  readonly refused: readonly Batch[]
  readonly error: unknown
}

async function writeHalves(store: Store, batch: Batch): Promise<Fitted> {
  try {
    return { inserted: (await store.write(batch)).inserted, refused: [], error: undefined }
  } catch (error) {
    if (!(error instanceof StoreError && error.isOfValues)) {
      // Where only events find no place, calls are in the ledger all the same. Written again with them, they change nothing.
      const { calls, links = [], events = [] } = batch
      if (events.length > 0 && calls.length + links.length > 0) await store.write({ calls, links }).catch(() => undefined)
      throw error
    }
    if (sizeOf(batch) <= 1) return { inserted: 0, refused: [batch], error }
    const [half, rest] = halves(batch)
    const first = await writeHalves(store, half)
    const second = await writeHalves(store, rest)
    return { inserted: first.inserted + second.inserted, refused: [...first.refused, ...second.refused], error }
  }
}

function halves({ calls, links = [], events = [] }: Batch): [Batch, Batch] {
  // Two of different kinds are parted too: of each kind alone the odd one goes to another half.
  const [inFirst, ofLinks] = [(calls.length + 1) >> 1, links.length >> 1]
  const ofEvents = (events.length + (calls.length > 0 ? 0 : 1)) >> 1
  return [
    { calls: calls.slice(0, inFirst), links: links.slice(0, ofLinks), events: events.slice(0, ofEvents) },
    { calls: calls.slice(inFirst), links: links.slice(ofLinks), events: events.slice(ofEvents) },
  ]
}

/** How many calls, links and events a batch holds. */
export function sizeOf({ calls, links = [], events = [] }: Batch): number {
  return calls.length + links.length + events.length
}

/** A batch in parts of at most `size` calls and as many links and events. */
export function cutBatch({ calls, links = [], events = [] }: Batch, size: number): Batch[] {
  const parts: Batch[] = []
  for (let from = 0; from < Math.max(calls.length, links.length, events.length); from += size) {
    const to = from + size
    parts.push({ calls: calls.slice(from, to), links: links.slice(from, to), events: events.slice(from, to) })
  }
  return parts
}
