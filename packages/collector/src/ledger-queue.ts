import type { Store } from '@spanledger/store'

import type { Rejected } from './answer.ts'
import { inSlices } from './in-slices.ts'
import { openItems, type BodyLimits, type OtlpRequest } from './ledger-items.ts'
import { Rejections, type Reason } from './rejections.ts'
import { toRefusal } from './to-refusal.ts'
import type { Waiting } from './waiting.ts'
import { newPart, sizeOfPart, writeParts, type Part } from './write-parts.ts'

/** Calls, events and links in one transaction, at most: what it takes in memory, and how long a sender waits for others. */
const MAX_GROUP_SIZE = 2048

/**
 * Brings requests into one ledger. Those that arrive while a transaction runs are put into the next one together (group
 * commit), and each is answered when all of its own is committed. A request that is larger than a transaction goes into
 * several. While one transaction runs, the next is read and made ready.
 */
export class LedgerQueue {
  readonly #store: Store
  readonly #limits: BodyLimits
  #waiting: Waiting[] = []
  #working: Promise<void> | undefined
  /** How many groups are on their way into the ledger. */
  #committing = 0
  #onArrival: (() => void) | undefined

  constructor(store: Store, limits: BodyLimits) {
    this.#store = store
    this.#limits = limits
  }

  /**
   * Resolves when all of the request is committed that can be.
   * @throws Refusal; parts of a large request may be in the ledger then, and sent again they change nothing
   */
  add(request: OtlpRequest): Promise<Rejected> {
    return new Promise((resolve, reject) => {
      const rejections = new Rejections()
      const waiting: Waiting = {
        request,
        rejections,
        opened: undefined,
        isRefused: false,
        accept: () => resolve(rejections.toRejected(request.signal)),
        refuse: (error) => {
          waiting.isRefused = true
          waiting.opened?.close()
          reject(toRefusal(error))
        },
      }
      this.#waiting.push(waiting)
      this.#onArrival?.()
      this.#working ??= this.#work()
    })
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working
  }

  async #work(): Promise<void> {
    let committing: Promise<void> = Promise.resolve()
    for (;;) {
      const parts = await this.#gather(committing)
      // The store makes it ready while the transaction before runs.
      const next = this.#commit(parts, committing)
      await committing
      if (parts.length === 0 && this.#waiting.length === 0) {
        // Now, not when this promise resolves: whoever comes in between is to start anew.
        this.#working = undefined
        return
      }
      committing = next
    }
  }

  /** Reads what waits; as long as the transaction before runs, also what comes meanwhile. */
  async #gather(committing: Promise<void>): Promise<Part[]> {
    const parts: Part[] = []
    let size = 0
    for (;;) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) {
        if (this.#committing === 0) return parts
        await Promise.race([committing, this.#arrival()])
        continue
      }
      const part = await this.#read(waiting, MAX_GROUP_SIZE - size)
      if (part === undefined) continue
      parts.push(part)
      size += sizeOfPart(part)
      if (size >= MAX_GROUP_SIZE) return parts
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#onArrival = resolve
    })
  }

  /** @returns what fits of a request; undefined where it was refused */
  async #read(waiting: Waiting, room: number): Promise<Part | undefined> {
    if (waiting.isRefused) return undefined
    try {
      waiting.opened ??= await openItems(waiting.request, this.#limits)
      const part = newPart(waiting)
      part.isLast = await inSlices(waiting.opened.items, (item) => {
        if (item === undefined) return true
        if (typeof item === 'string') waiting.rejections.add(item)
        else if ('call' in item) part.calls.push(item.call)
        else if ('event' in item) part.events.push(item.event)
        else part.links.push(item.link)
        // One more than there is room for: a request that just fits is over, and need not wait for the transaction after.
        return sizeOfPart(part) <= room
      })
      // Now, not when it is committed: the next of this group may wait for its turn to be opened.
      if (part.isLast) {
        waiting.opened.close()
        waiting.opened = undefined
      } else this.#waiting.unshift(waiting)
      return part
    } catch (error) {
      waiting.refuse(error)
      return undefined
    }
  }

  async #commit(parts: readonly Part[], before: Promise<void>): Promise<void> {
    if (parts.length === 0) return
    this.#committing++
    await writeParts(this.#store, parts)
    // What failed of the group before is written again behind this one: until then nothing is known of a request that is in both.
    await before
    const finished = parts.filter(({ isLast, of }) => isLast && !of.isRefused)
    await this.#count(finished)
    this.#committing--
    for (const { of } of finished) of.accept()
  }

  /** Adds one to a durable counter. */
  async count(counter: string): Promise<void> {
    await this.#store.count(new Map([[counter, 1]]))
  }

  async #count(finished: readonly Part[]): Promise<void> {
    const counts = new Map<Reason, number>()
    for (const { of } of finished) {
      for (const [reason, count] of of.rejections.counts) counts.set(reason, (counts.get(reason) ?? 0) + count)
    }
    // The answer tells the sender of them; that the ledger could not note it down is no reason to refuse the rest.
    if (counts.size > 0) await this.#store.count(counts).catch(() => undefined)
  }
}
