import { parse, format } from 'node:path'

import { openStore, type Store, type StoreOptions } from '@spanledger/store'

import { LedgerQueue } from './ledger-queue.ts'
import type { BodyLimits } from './ledger-items.ts'

/** Ledgers of tenants that are open at a time; each takes some megabytes. */
const MAX_OPEN = 32

interface OpenLedger {
  readonly store: Store
  readonly queue: LedgerQueue
}

/** The ledgers that a collector writes: one for each tenant, opened when its first request comes. */
export class Ledgers {
  readonly #options: StoreOptions
  readonly #limits: BodyLimits
  /** By tenant, the one used last at the end. */
  readonly #open = new Map<string | undefined, Promise<OpenLedger>>()

  constructor(options: StoreOptions, limits: BodyLimits) {
    this.#options = options
    this.#limits = limits
  }

  /** @throws StoreError */
  async queueOf(tenant: string | undefined): Promise<LedgerQueue> {
    let ledger = this.#open.get(tenant)
    if (ledger === undefined) ledger = this.#openLedger(tenant)
    else this.#open.delete(tenant)
    this.#open.set(tenant, ledger)
    const { queue } = await ledger
    if (this.#open.size > MAX_OPEN) await this.#closeIdle(tenant)
    return queue
  }

  async close(): Promise<void> {
    const ledgers = await Promise.allSettled(this.#open.values())
    this.#open.clear()
    for (const ledger of ledgers) {
      if (ledger.status === 'rejected') continue
      await ledger.value.queue.idle()
      await ledger.value.store.close()
    }
  }

  #openLedger(tenant: string | undefined): Promise<OpenLedger> {
    const path = tenant === undefined ? this.#options.path : pathOfTenant(this.#options.path, tenant)
    const opening = openStore({ ...this.#options, path }).then((store) => ({ store, queue: new LedgerQueue(store, this.#limits) }))
    // The next request tries again.
    opening.catch(() => this.#open.delete(tenant))
    return opening
  }

  /** Closes the one that was used least lately and has nothing to do. */
  async #closeIdle(inUse: string | undefined): Promise<void> {
    for (const [tenant, opening] of this.#open) {
      if (tenant === inUse) continue
      const { queue, store } = await opening
      if (!queue.isIdle) continue
      this.#open.delete(tenant)
      await store.close()
      return
    }
  }
}

/** `spanledger.db` of tenant `acme` is `spanledger.acme.db`. */
function pathOfTenant(path: string, tenant: string): string {
  const { dir, name, ext } = parse(path)
  return format({ dir, name: `${name}.${tenant}`, ext })
}
