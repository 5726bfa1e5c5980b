import { createHash } from 'node:crypto'

import type { Store } from '@spanledger/store'

import { bytesOf, type ImportFile } from './open-file.ts'
import type { Place, RawRecord } from './raw-records.ts'
import type { Tally } from './tally.ts'

/** How far the import of a file has come: kept in the ledger, in the transaction of the calls before it. */
export interface Checkpoint {
  /** Where the first record begins that is not in the ledger. */
  readonly place: Place
  readonly tally: Tally
  /** The bytes right before the place: whether they are still the same shows whether the file was changed. */
  readonly before: { readonly length: number; readonly sha256: string }
}

const MAX_BEFORE_BYTES = 64 * 1024

/** Under which name the place of a file is kept. */
export function markName(identity: string): string {
  return `import:${identity}`
}

export function checkpointAfter({ to, whole }: RawRecord, tally: Tally): Checkpoint {
  const before = whole === undefined ? Buffer.alloc(0) : whole.subarray(-MAX_BEFORE_BYTES)
  return { place: to, tally: withoutDetails(tally), before: { length: before.length, sha256: sha256(before) } }
}

/** Details show values of records, and the ledger keeps no text of them. */
function withoutDetails(tally: Tally): Tally {
  return {
    ...tally,
    refusals: tally.refusals.map(({ reason, count, first }) => ({ reason, count, first: first.map(({ line }) => ({ line, detail: '' })) })),
  }
}

/** Where an import that was interrupted goes on; undefined where there is no such place, or the file was changed before it. */
export async function readCheckpoint(
  store: Pick<Store, 'mark'>,
  name: string,
  file: ImportFile,
): Promise<Checkpoint | 'changed' | undefined> {
  const text = await store.mark(name)
  if (text === undefined) return undefined
  const checkpoint = JSON.parse(text) as Checkpoint
  return (await isUnchanged(file, checkpoint)) ? checkpoint : 'changed'
}

async function isUnchanged(file: ImportFile, { place, before }: Checkpoint): Promise<boolean> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of bytesOf(file, { from: place.offset - before.length })) {
    pieces.push(piece)
    length += piece.length
    if (length >= before.length) break
  }
  return length >= before.length && sha256(Buffer.concat(pieces).subarray(0, before.length)) === before.sha256
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
