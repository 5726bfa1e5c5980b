import { existsSync } from 'node:fs'

import type { Store } from '@spanledger/store'

import { replaySpool, type Replayed } from './replay.ts'
import { settings } from './settings.ts'
import { openSpool } from './spool.ts'

/**
 * Brings what apps have left in a store's spool into the store: for whoever opens a store to read it.
 * @throws StoreError when the store takes no writes; what was not written stays in the spool
 */
export async function drainSpool(store: Store, spoolPath: string = `${store.path}.spool`): Promise<Replayed> {
  if (!existsSync(spoolPath)) return { files: 0, calls: 0 }
  return replaySpool(store, openSpool(spoolPath, settings.maxSpoolBytes.default))
}
