import { closeSync, openSync, realpathSync, writeSync } from 'node:fs'

import { CommandFailure, exitCodes, usageFailure } from '../command/failure.ts'
import type { Source } from './import-file.ts'
import type { RawRecord } from './raw-records.ts'

/** Takes the records that are refused, so that they can be mended and imported on their own. */
export interface Rejects {
  /** What an earlier run refused stays: this one goes on where that ended. Called before the first `add`, if at all. */
  keep(): void
  add(record: RawRecord, source: Source): void
  close(): void
}

/**
 * A file that takes refused records as they stand in theirs, tables with their header. Records that were too long to be held
 * are not among them. Without a path they go nowhere.
 * @throws CommandFailure where the file is one of those that are read, or cannot be written
 */
export function openRejects(path: string | undefined, others: readonly string[]): Rejects {
  if (path === undefined) return { keep: () => undefined, add: () => undefined, close: () => undefined }
  if (others.some((other) => isSame(path, other)))
    throw usageFailure(`--rejects ${JSON.stringify(path)} is a file that is read. Name another.`)
  let kept = false
  let file: number | undefined
  let headerOf: Source | undefined
  const open = (): number => (file ??= openFor(path, kept ? 'a' : 'w'))
  return {
    keep: () => {
      kept = true
    },
    add: ({ bytes }, source) => {
      if (bytes === undefined) return
      const isAnother = headerOf !== undefined && headerOf !== source
      if (source.header !== undefined && (isAnother || (headerOf === undefined && !kept))) writeLine(open(), source.header)
      headerOf = source
      writeLine(open(), bytes)
    },
    close: () => closeSync(open()),
  }
}

function writeLine(file: number, bytes: Buffer): void {
  writeSync(file, bytes)
  writeSync(file, '\n')
}

function openFor(path: string, mode: 'a' | 'w'): number {
  try {
    return openSync(path, mode, 0o600)
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException
    const exitCode = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? exitCodes.notAllowed : exitCodes.failed
    throw new CommandFailure(exitCode, `--rejects ${JSON.stringify(path)} cannot be written: ${message}.`, { cause })
  }
}

function isSame(path: string, other: string): boolean {
  try {
    return realpathSync(path) === realpathSync(other)
  } catch {
    // One of them is not there (yet).
    return false
  }
}
