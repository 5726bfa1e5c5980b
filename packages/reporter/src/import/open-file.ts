import { createHash } from 'node:crypto'
import { createReadStream, statSync, type Stats } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

import { CommandFailure, exitCodes } from '../command/failure.ts'
import type { Framing } from './find-end.ts'

/** A file whose records can be read. */
export interface ImportFile {
  readonly path: string
  /** On disk; packed where the file is. */
  readonly sizeBytes: number
  readonly packed: boolean
  /** How many bytes of the unpacked file stand before its first record: a byte order mark. */
  readonly markBytes: number
  /** The first 64 KiB, unpacked, without the mark. */
  readonly head: Buffer
}

export const HEAD_BYTES = 64 * 1024
/** A byte order mark in UTF-8. */
export const MARK_BYTES = 3
const PIECE_BYTES = 256 * 1024

/**
 * Looks at a file: is it there, is it packed, does it begin as text.
 * @throws CommandFailure that names the path and what to do
 */
export async function openFile(path: string): Promise<ImportFile> {
  const { size } = statFile(path)
  const begin = await firstBytes(createReadStream(path, { end: 1 }), 2, path)
  const packed = path.endsWith('.gz') || (begin[0] === 0x1f && begin[1] === 0x8b)
  const head = await firstBytes(bytesOf({ path, packed }, { from: 0 }), HEAD_BYTES, path)
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) {
    throw new CommandFailure(exitCodes.failed, `${JSON.stringify(path)} is text in UTF-16. Save it as UTF-8.`)
  }
  const markBytes = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? MARK_BYTES : 0
  return { path, sizeBytes: size, packed, markBytes, head: head.subarray(markBytes) }
}

/**
 * The bytes of a file, unpacked, from an offset on.
 * @param options.progress is told how many bytes of the file on disk have been read
 */
export async function* bytesOf(
  { path, packed }: Pick<ImportFile, 'path' | 'packed'>,
  { from, progress }: { from: number; progress?: ((bytes: number) => void) | undefined },
): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: PIECE_BYTES, start: packed ? 0 : from })
  const stream: Readable = packed ? file.pipe(createGunzip({ chunkSize: PIECE_BYTES })) : file
  if (packed) file.on('error', (error) => stream.destroy(error))
  let skip = packed ? from : 0
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      progress?.(file.bytesRead + (packed ? 0 : from))
      if (skip >= piece.length) skip -= piece.length
      else {
        yield skip === 0 ? piece : piece.subarray(skip)
        skip = 0
      }
    }
  } catch (cause) {
    throw readFailure(path, cause as NodeJS.ErrnoException)
  } finally {
    file.destroy()
    stream.destroy()
  }
}

/**
 * What JSON a file is by its first bytes: an array, or objects over several lines, are read value by value. All else is read line by
 * line, so that a line that is broken off takes none of the others along.
 */
export function jsonFraming(head: Buffer): Framing {
  const text = head.toString().trimStart()
  return text.startsWith('[') || /^\{[ \t]*\r?\n/.test(text) ? 'values' : 'lines'
}

/** The same for the same content read in the same way, wherever the file lies; beyond the head also while more is appended to it. */
export function identityOf(head: Buffer, how: string): string {
  return createHash('sha256').update(how).update('\0').update(head).digest('hex')
}

function statFile(path: string): Stats {
  let found: Stats
  try {
    found = statSync(path)
  } catch (cause) {
    throw readFailure(path, cause as NodeJS.ErrnoException)
  }
  if (found.isDirectory()) {
    throw new CommandFailure(exitCodes.failed, `${JSON.stringify(path)} is a folder. Name the files in it: ${JSON.stringify(`${path}/*`)}.`)
  }
  if (!found.isFile()) {
    throw new CommandFailure(
      exitCodes.failed,
      `${JSON.stringify(path)} is no regular file: an import that is interrupted could not go on. Write it to a file first.`,
    )
  }
  return found
}

async function firstBytes(stream: AsyncIterable<Buffer>, wanted: number, path: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of stream) {
      pieces.push(piece)
      length += piece.length
      if (length >= wanted) break
    }
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause
    throw readFailure(path, cause as NodeJS.ErrnoException)
  }
  return Buffer.concat(pieces).subarray(0, wanted)
}

function readFailure(path: string, cause: NodeJS.ErrnoException): CommandFailure {
  const { code = '', message } = cause
  const given = JSON.stringify(path)
  if (code === 'ENOENT' || code === 'ENOTDIR') return new CommandFailure(exitCodes.failed, `There is no file ${given}.`, { cause })
  if (code === 'EACCES' || code === 'EPERM') {
    return new CommandFailure(exitCodes.notAllowed, `${given} may not be read (${code}). Allow reading it.`, { cause })
  }
  if (code.startsWith('Z_')) {
    return new CommandFailure(
      exitCodes.failed,
      `${given} cannot be unpacked: ${message}. Copy it anew; what was read from it before stays.`,
      {
        cause,
      },
    )
  }
  return new CommandFailure(exitCodes.failed, `${given} cannot be read: ${message}.`, { cause })
}
