import { constants, open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

import { decodePrefix, FRAME_PREFIX_BYTES, HEAD_MARK, type RequestHead } from './frame.ts'

/** A request in a file; its body is read piece by piece. */
export interface QueuedRequest extends RequestHead {
  readonly bodyBytes: number
  body(): AsyncIterable<Buffer>
}

/** A frame that is whole, and where it begins and ends. */
export interface FoundFrame {
  readonly request: QueuedRequest
  readonly start: number
  readonly end: number
}

const PIECE_BYTES = 256 * 1024

/** One file of a queue on disk: frames, one after the other. */
export class Segment {
  readonly number: number
  readonly #file: FileHandle
  readonly #path: string
  /** How far it is on disk. */
  #size: number

  private constructor(number: number, path: string, file: FileHandle, size: number) {
    this.number = number
    this.#path = path
    this.#file = file
    this.#size = size
  }

  /** Opens a segment, or begins it. */
  static async open(folder: string, number: number): Promise<Segment> {
    const path = join(folder, `${String(number).padStart(12, '0')}.queue`)
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    return new Segment(number, path, file, (await file.stat()).size)
  }

  /** The numbers of the segments of a folder, the oldest first. */
  static async list(folder: string): Promise<number[]> {
    const names = await readdir(folder)
    return names.flatMap((name) => (/^\d{12}\.queue$/.test(name) ? [Number(name.slice(0, 12))] : [])).sort((a, b) => a - b)
  }

  get size(): number {
    return this.#size
  }

  /** Cuts off what is behind the last whole frame: it was half written when a process died. */
  async cutTail(): Promise<void> {
    let end = 0
    for (let found = await this.find(0); found !== undefined; found = await this.find(end)) end = found.end
    if (end < this.#size) await this.#file.truncate(end)
    this.#size = end
  }

  /** Resolves when the frames are on disk. Where that fails, none of them is there. */
  async append(pieces: readonly Buffer[]): Promise<void> {
    let end = this.#size
    try {
      for (let left = pieces; left.length > 0;) {
        const { bytesWritten } = await this.#file.writev(left, end)
        end += bytesWritten
        left = without(left, bytesWritten)
      }
      await this.#file.datasync()
    } catch (error) {
      await this.#file.truncate(this.#size).catch(() => undefined)
      throw error
    }
    this.#size = end
  }

  /** The first whole frame at or behind an offset: what is damaged is passed over. */
  async find(offset: number): Promise<FoundFrame | undefined> {
    for (let at: number | undefined = offset; at !== undefined; at = await this.#nextMark(at + 1)) {
      const found = await this.#frameAt(at)
      if (found !== undefined) return found
    }
    return undefined
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async remove(): Promise<void> {
    await this.#file.close()
    await rm(this.#path, { force: true })
  }

  async #frameAt(start: number): Promise<FoundFrame | undefined> {
    if (start + FRAME_PREFIX_BYTES > this.#size) return undefined
    const { headBytes, bodyBytes, crc } = decodePrefix(await this.#read(start, FRAME_PREFIX_BYTES))
    const bodyStart = start + FRAME_PREFIX_BYTES + headBytes
    const end = bodyStart + bodyBytes
    if (headBytes < HEAD_MARK.length || headBytes > PIECE_BYTES || end > this.#size) return undefined
    const head = await this.#read(start + FRAME_PREFIX_BYTES, headBytes)
    if (!head.subarray(0, HEAD_MARK.length).equals(HEAD_MARK)) return undefined
    let found = crc32(head)
    for await (const piece of this.#pieces(bodyStart, end)) found = crc32(piece, found)
    if (found !== crc) return undefined
    const { signal, contentType, contentEncoding, tenant } = JSON.parse(head.toString()) as RequestHead
    const body = (): AsyncIterable<Buffer> => this.#pieces(bodyStart, end)
    return { request: { signal, contentType, contentEncoding, tenant, bodyBytes, body }, start, end }
  }

  /** Where the next frame may begin. */
  async #nextMark(from: number): Promise<number | undefined> {
    // Pieces overlap by less than a mark.
    for (let at = from + FRAME_PREFIX_BYTES; at + HEAD_MARK.length <= this.#size; at += PIECE_BYTES) {
      const piece = await this.#read(at, Math.min(PIECE_BYTES + HEAD_MARK.length - 1, this.#size - at))
      const mark = piece.indexOf(HEAD_MARK)
      if (mark !== -1) return at + mark - FRAME_PREFIX_BYTES
    }
    return undefined
  }

  async *#pieces(start: number, end: number): AsyncGenerator<Buffer, void> {
    for (let at = start; at < end; at += PIECE_BYTES) yield await this.#read(at, Math.min(PIECE_BYTES, end - at))
  }

  /** @throws where the file has become shorter */
  async #read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length)
    for (let read = 0; read < length;) {
      const { bytesRead } = await this.#file.read(buffer, read, length - read, offset + read)
      if (bytesRead === 0) throw new Error(`"${this.#path}" ends early`)
      read += bytesRead
    }
    return buffer
  }
}

/** What is left of some pieces behind their first bytes. */
function without(pieces: readonly Buffer[], bytes: number): Buffer[] {
  let skip = bytes
  return pieces.flatMap((piece) => {
    const left = piece.subarray(Math.min(skip, piece.length))
    skip -= piece.length - left.length
    return left.length === 0 ? [] : [left]
  })
}
