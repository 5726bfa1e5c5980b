import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, open, readFile, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'

import { encodeBatch, type SpooledBatch } from './spool-line.ts'

/**
 * A folder where batches wait for the store. Each batch is a file of its own that appears whole (written as `.part`, then
 * renamed) and never changes, so that writers and readers of several processes need no lock: who replays a file renames it
 * first, and one that was begun or claimed over a minute ago and is still there is anybody's again. Replaying a file twice
 * changes nothing, because the store counts a call once.
 */
export interface Spool {
  readonly path: string
  /** Puts a batch on disk; resolves when it would survive a loss of power. @throws when there is no space, or no folder */
  write(batch: SpooledBatch): Promise<void>
  /** Keeps a batch that the store refuses: in a file `refused-…`, which is never replayed by itself. */
  setAside(batch: SpooledBatch): Promise<void>
  /** Like `write`, for a process that is about to end. */
  writeNow(batch: SpooledBatch): void
  /** Takes one file that nobody else is replaying, the oldest first. */
  claim(): Promise<ClaimedFile | undefined>
}

/** A file that is ours to replay. */
export interface ClaimedFile {
  read(): Promise<string>
  /** Its calls are in the store. */
  remove(): Promise<void>
  /** The store could not take it: to be claimed again later. */
  release(): Promise<void>
}

/** Whoever began or claimed a file this long ago is no longer at it. */
const STALE_MS = 60_000

export function openSpool(path: string, maxBytes: number): Spool {
  /** Of all files, as last counted, and what was added since. */
  let bytes: number | undefined

  const addBytes = (before: number, added: number): void => {
    if (before + added > maxBytes) {
      throw new Error(`The spool "${path}" is full: ${before} of ${maxBytes} bytes are used (option maxSpoolBytes).`)
    }
    bytes = before + added
  }

  const writeFile = async (batch: SpooledBatch, name: string): Promise<void> => {
    const text = encodeBatch(batch)
    await mkdir(path, { recursive: true, mode: 0o700 })
    addBytes(bytes ?? (await countBytes(path)), Buffer.byteLength(text))
    const whole = join(path, name)
    const file = await open(`${whole}.part`, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${whole}.part`, whole)
  }

  return {
    path,
    write: (batch) => writeFile(batch, newName()),
    setAside: (batch) => writeFile(batch, `refused-${newName()}`),
    writeNow: (batch) => {
      const text = encodeBatch(batch)
      if (text === '') return
      mkdirSync(path, { recursive: true, mode: 0o700 })
      addBytes(bytes ?? countBytesNow(path), Buffer.byteLength(text))
      const whole = join(path, newName())
      const file = openSync(`${whole}.part`, 'wx', 0o600)
      try {
        writeFileSync(file, text)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(`${whole}.part`, whole)
    },
    claim: async () => {
      const names = await readdir(path).catch(() => [])
      for (const name of names.sort()) {
        const file = await claimFile(path, name)
        if (file === undefined) continue
        const remove = async (): Promise<void> => {
          await file.remove()
          bytes = undefined
        }
        return { ...file, remove }
      }
      return undefined
    },
  }
}

async function claimFile(path: string, name: string): Promise<ClaimedFile | undefined> {
  const whole = claimable(name)
  if (whole === undefined) return undefined
  const claimed = join(path, `${whole}.claimed-${Date.now()}`)
  try {
    await rename(join(path, name), claimed)
  } catch {
    // Another process was faster.
    return undefined
  }
  return {
    read: () => readFile(claimed, 'utf8'),
    remove: () => unlink(claimed).catch(ignoreMissing),
    release: () => rename(claimed, join(path, whole)).catch(ignoreMissing),
  }
}

/** Names sort by time: `<ms>-<uuid>.ndjson`, with `.part` behind it while it is written, `.claimed-<ms>` while it is replayed. */
function newName(): string {
  return `${Date.now()}-${randomUUID()}.ndjson`
}

/** The plain name of a file that may be claimed now, else undefined. */
function claimable(name: string): string | undefined {
  const [, whole, begunMs, claimedMs] = /^((\d+)-[0-9a-f-]+\.ndjson)(?:\.part|\.claimed-(\d+))?$/.exec(name) ?? []
  if (whole === undefined || name === whole) return whole
  // Also one from the future: a clock was set back, and nobody knows since when it waits.
  return Math.abs(Date.now() - Number(claimedMs ?? begunMs)) > STALE_MS ? whole : undefined
}

async function countBytes(path: string): Promise<number> {
  let bytes = 0
  for (const name of await readdir(path)) bytes += (await stat(join(path, name)).catch(() => undefined))?.size ?? 0
  return bytes
}

function countBytesNow(path: string): number {
  let bytes = 0
  for (const name of readdirSync(path)) bytes += statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
