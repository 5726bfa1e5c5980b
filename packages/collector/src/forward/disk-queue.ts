import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { CollectorError } from '../collector-error.ts'
import { encodeFrame, type ForwardedRequest } from './frame.ts'
import { Segment, type QueuedRequest } from './segment.ts'

export interface DiskQueueOptions {
  readonly folder: string
  /** How much may wait. */
  readonly maxBytes: number
  /** Hears of bytes in the middle of the queue that are no requests any more. */
  readonly onDamage: (bytes: number) => void
}

/** A file begins anew beyond this, so that what has been sent can be deleted. */
const SEGMENT_BYTES = 16 * 1024 * 1024
/** How often it is noted down how far the queue has come; what was sent since the last note is sent again after a crash. */
const NOTE_EVERY_MS = 200

interface Pending {
  readonly pieces: readonly Buffer[]
  readonly bytes: number
  resolve(taken: boolean): void
}

/**
 * Requests that wait on disk, in order, through restarts. Adding resolves when the request is on disk. One process has a queue
 * at a time.
 */
export class DiskQueue {
  readonly #folder: string
  readonly #maxBytes: number
  readonly #onDamage: DiskQueueOptions['onDamage']
  /** The oldest first; the last is written to. */
  readonly #segments: Segment[]
  /** Where in the first segment the oldest request begins that waits. */
  #offset: number
  #next: number | undefined
  #bytes: number
  #pending: Pending[] = []
  #flushing: Promise<void> | undefined
  #onAdded: (() => void) | undefined
  #notedMs = 0

  private constructor({ folder, maxBytes, onDamage }: DiskQueueOptions, segments: Segment[], offset: number) {
    this.#folder = folder
    this.#maxBytes = maxBytes
    this.#onDamage = onDamage
    this.#segments = segments
    this.#offset = offset
    this.#bytes = segments.reduce((sum, { size }) => sum + size, 0) - offset
  }

  /** @throws CollectorError where another process has it, or it cannot be written */
  static async open(options: DiskQueueOptions): Promise<DiskQueue> {
    const { folder } = options
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await lock(folder)
      const noted = await readNote(folder)
      const segments: Segment[] = []
      for (const number of await Segment.list(folder)) {
        const segment = await Segment.open(folder, number)
        // A process died between noting that it was done with a file and deleting it.
        if (number < noted.segment) await segment.remove()
        else segments.push(segment)
      }
      await segments.at(-1)?.cutTail()
      if (segments.length === 0) segments.push(await Segment.open(folder, noted.segment + 1))
      return new DiskQueue(options, segments, segments[0]?.number === noted.segment ? Math.min(noted.offset, segments[0].size) : 0)
    } catch (cause) {
      if (cause instanceof CollectorError) throw cause
      throw new CollectorError('bad_option', `The forward queue "${folder}" cannot be opened (${(cause as Error).message}).`, { cause })
    }
  }

  /** How much waits. */
  get bytes(): number {
    return this.#bytes
  }

  /** @returns false where the queue or its disk is full; then the request is not in it */
  add(request: ForwardedRequest): Promise<boolean> {
    const pieces = encodeFrame(request)
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
    if (this.#bytes + bytes > this.#maxBytes) return Promise.resolve(false)
    this.#bytes += bytes
    return new Promise((resolve) => {
      this.#pending.push({ pieces, bytes, resolve })
      this.#flushing ??= this.#flush()
    })
  }

  /** The oldest request that waits; the same until `shift`. */
  async peek(): Promise<QueuedRequest | undefined> {
    for (;;) {
      const [segment] = this.#segments
      const found = await segment?.find(this.#offset)
      if (found !== undefined) {
        this.#passOver(found.start)
        this.#next = found.end
        return found.request
      }
      // The last one is still being written to.
      if (this.#segments.length <= 1 || segment === undefined) return undefined
      this.#passOver(segment.size)
      this.#segments.shift()
      this.#offset = 0
      await this.#note()
      await segment.remove()
    }
  }

  /** The request that `peek` gave is done with. */
  async shift(): Promise<void> {
    if (this.#next === undefined) return
    this.#bytes -= this.#next - this.#offset
    this.#offset = this.#next
    this.#next = undefined
    if (Date.now() - this.#notedMs >= NOTE_EVERY_MS) await this.#note()
  }

  /** Resolves when something is added. */
  added(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAdded = resolve
    })
  }

  /** Lets whoever waits for something to be added look again. */
  wake(): void {
    this.#onAdded?.()
  }

  async close(): Promise<void> {
    await this.#flushing
    await this.#note()
    for (const segment of this.#segments) await segment.close()
    await rm(join(this.#folder, 'lock'), { force: true })
  }

  /** What stands before an offset cannot be read. */
  #passOver(offset: number): void {
    const bytes = offset - this.#offset
    if (bytes === 0) return
    this.#bytes -= bytes
    this.#offset = offset
    this.#onDamage(bytes)
  }

  /** What came while the disk was busy is written in one go. */
  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const pending = this.#pending.splice(0)
      const isOnDisk = await this.#append(pending.flatMap(({ pieces }) => pieces))
      if (!isOnDisk) this.#bytes -= pending.reduce((sum, { bytes }) => sum + bytes, 0)
      for (const { resolve } of pending) resolve(isOnDisk)
      this.wake()
    }
    this.#flushing = undefined
  }

  async #append(pieces: readonly Buffer[]): Promise<boolean> {
    try {
      let last = this.#segments.at(-1)
      if (last === undefined || last.size >= SEGMENT_BYTES) {
        last = await Segment.open(this.#folder, (last?.number ?? 0) + 1)
        this.#segments.push(last)
      }
      await last.append(pieces)
      return true
    } catch {
      // A disk that is full: the caller counts it, and says so.
      await this.#beginFile().catch(() => undefined)
      return false
    }
  }

  /** So that the file written so far is deleted, which makes room, when all of it has been sent. */
  async #beginFile(): Promise<void> {
    const last = this.#segments.at(-1)
    if (last !== undefined && last.size > 0) this.#segments.push(await Segment.open(this.#folder, last.number + 1))
  }

  /** Never throws: without the note, on a disk that is full, what has been sent since the last one is sent again after a crash. */
  async #note(): Promise<void> {
    this.#notedMs = Date.now()
    const path = join(this.#folder, 'position')
    try {
      await writeFile(`${path}.new`, JSON.stringify({ segment: this.#segments[0]?.number ?? 0, offset: this.#offset }))
      await rename(`${path}.new`, path)
    } catch {
      // The next note says all that this one would have said.
    }
  }
}

/** @throws CollectorError where another process that lives has the folder */
async function lock(folder: string): Promise<void> {
  const path = join(folder, 'lock')
  const holder = Number(await readFile(path, 'utf8').catch(() => ''))
  // In a container every process before had our number.
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new CollectorError('bad_option', `The forward queue "${folder}" is in use by process ${holder}. Give another --forward-queue.`)
  }
  await writeFile(path, String(process.pid), { mode: 0o600 })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function readNote(folder: string): Promise<{ segment: number; offset: number }> {
  try {
    const { segment, offset } = JSON.parse(await readFile(join(folder, 'position'), 'utf8')) as { segment: unknown; offset: unknown }
    if (Number.isSafeInteger(segment) && Number.isSafeInteger(offset)) return { segment: Number(segment), offset: Number(offset) }
  } catch {
    // None yet, or half written: then the queue is sent from its beginning, which repeats and loses nothing.
  }
  return { segment: 0, offset: 0 }
}
