import { parse, format } from 'node:path'

import { openStore, type Store, type StoreOptions } from '@spanledger/store'

import { LedgerQueue } from './ledger-queue.ts'
import type { BodyLimits } from './ledger-items.ts'

/** Ledgers that stay open though nobody uses them: each takes some megabytes, and opening one some milliseconds. */
const MAX_UNUSED_OPEN = 64

/** A ledger, and how many requests there are that are not answered yet. */
interface Ledger {
  readonly opened: Promise<{ readonly store: Store; readonly queue: LedgerQueue }>
  users: number
}

/** The ledgers that a collector writes: one for each tenant, opened when its first request comes. */
export class Ledgers {
  readonly #options: StoreOptions
  readonly #limits: BodyLimits
  /** By tenant, the one used last at the end. */
  readonly #ledgers = new Map<string | undefined, Ledger>()
  readonly #closing = new Map<string | undefined, Promise<void>>()

  constructor(options: StoreOptions, limits: BodyLimits) {
    this.#options = options
    this.#limits = limits
  }

  /**
   * Gives `work` the ledger of a tenant, which stays open until that is done.
   * @throws StoreError, and what `work` throws
   */
  async use<Result>(tenant: string | undefined, work: (queue: LedgerQueue) => Promise<Result>): Promise<Result> {
    const ledger = this.#ledgers.get(tenant) ?? this.#open(tenant)
    ledger.users++
    this.#ledgers.delete(tenant)
    this.#ledgers.set(tenant, ledger)
    try {
      const { queue } = await ledger.opened
      return await work(queue)
    } finally {
      ledger.users--
      this.#closeUnused()
    }
  }

  async close(): Promise<void> {
    const ledgers = [...this.#ledgers.values()]
    this.#ledgers.clear()
    const outcomes = await Promise.allSettled([...this.#closing.values(), ...ledgers.map(closeLedger)])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  #open(tenant: string | undefined): Ledger {
    const path = tenant === undefined ? this.#options.path : pathOfTenant(this.#options.path, tenant)
    // Who opens a file that is being closed waits for its lock on one of the threads that closing it may need.
    const closed = this.#closing.get(tenant) ?? Promise.resolve()
    const opened = closed
      .then(() => openStore({ ...this.#options, path }))
      .then((store) => ({ store, queue: new LedgerQueue(store, this.#limits) }))
    const ledger: Ledger = { opened, users: 0 }
    // The next request tries again.
    opened.catch(() => {
      if (this.#ledgers.get(tenant) === ledger) this.#ledgers.delete(tenant)
    })
    return ledger
  }

  /** Closes those used least lately, beyond as many as may stay. */
  #closeUnused(): void {
    if (this.#ledgers.size <= MAX_UNUSED_OPEN) return
    const unused = [...this.#ledgers].filter(([, { users }]) => users === 0)
    for (const [tenant, ledger] of unused.slice(0, Math.max(unused.length - MAX_UNUSED_OPEN, 0))) {
      this.#ledgers.delete(tenant)
      // All that was answered is committed, whatever becomes of the file.
      const closing = closeLedger(ledger)
        .catch(() => undefined)
        .finally(() => {
          if (this.#closing.get(tenant) === closing) this.#closing.delete(tenant)
        })
      this.#closing.set(tenant, closing)
    }
  }
}

async function closeLedger({ opened }: Ledger): Promise<void> {
  const found = await opened.catch(() => undefined)
  await found?.queue.idle()
  await found?.store.close()
}

/** `spanledger.db` of tenant `acme` is `spanledger.acme.db`. */
function pathOfTenant(path: string, tenant: string): string {
  const { dir, name, ext } = parse(path)
  return format({ dir, name: `${name}.${tenant}`, ext })
}
