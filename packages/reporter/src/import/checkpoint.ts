import type { Store } from '@spanledger/store'

import { bytesOf, type ImportFile } from './open-file.ts'
import { PassedBytes } from './passed-bytes.ts'
import type { Place } from './raw-records.ts'
import type { Tally } from './tally.ts'

/** How far the import of a file has come: kept in the ledger, in the transaction of the calls before it. */
export interface Checkpoint {
  /** Where the first record begins that is not in the ledger. */
  readonly place: Place
  readonly tally: Tally
  /** Of all bytes from the first record to the place: shows whether the file was changed. */
  readonly sha256: string
}

/** Under which name the place of a file is kept. */
export function markName(identity: string): string {
  return `import:${identity}`
}

export function checkpointAt(place: Place, { tally, sha256 }: Omit<Checkpoint, 'place'>): Checkpoint {
  return { place, tally: withoutDetails(tally), sha256 }
}

/** Details show values of records, and the ledger keeps no text of them. */
function withoutDetails(tally: Tally): Tally {
  return {
    ...tally,
    refusals: tally.refusals.map(({ reason, count, first }) => ({ reason, count, first: first.map(({ line }) => ({ line, detail: '' })) })),
  }
}

/**
 * Where an import that was interrupted goes on, and the bytes before it; undefined where there is no such place, 'changed' where they
 * are others now.
 */
export async function readCheckpoint(
  store: Pick<Store, 'mark'>,
  name: string,
  { file, start }: { file: ImportFile; start: Place },
): Promise<{ checkpoint: Checkpoint; passed: PassedBytes } | 'changed' | undefined> {
  const text = await store.mark(name)
  if (text === undefined) return undefined
  const checkpoint = JSON.parse(text) as Checkpoint
  const { offset } = checkpoint.place
  const passed = new PassedBytes(start.offset)
  const isThere = await passed.skipTo(offset, bytesOf(file, { from: start.offset }))
  return isThere && passed.sha256To(offset) === checkpoint.sha256 ? { checkpoint, passed } : 'changed'
}
