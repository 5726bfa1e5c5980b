import { open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import { decodeFrame, frameLength, FRAME_PREFIX_BYTES, type ForwardedRequest } from './frame.ts'

/** One file of a queue on disk: frames, one after the other. */
export class Segment {
  readonly number: number
  readonly #file: FileHandle
  readonly #path: string
  /** How far it is whole and on disk. */
  #size: number

  private constructor(number: number, path: string, file: FileHandle, size: number) {
    this.number = number
    this.#path = path
    this.#file = file
    this.#size = size
  }

  /** Opens a segment, or begins it; what was half written when a process died is cut off. */
  static async open(folder: string, number: number): Promise<Segment> {
    const path = join(folder, `${String(number).padStart(12, '0')}.queue`)
    const file = await open(path, 'a+', 0o600)
    const { size } = await file.stat()
    const segment = new Segment(number, path, file, size)
    let whole = 0
    for (let length = await segment.#lengthAt(0); length > 0; length = await segment.#lengthAt(whole)) {
      if (decodeFrame(await segment.#read(whole, length)) === undefined) break
      whole += length
    }
    if (whole < size) await file.truncate(whole)
    segment.#size = whole
    return segment
  }

  /** The numbers of the segments of a folder, the oldest first. */
  static async list(folder: string): Promise<number[]> {
    const names = await readdir(folder)
    return names.flatMap((name) => (/^\d{12}\.queue$/.test(name) ? [Number(name.slice(0, 12))] : [])).sort((a, b) => a - b)
  }

  get size(): number {
    return this.#size
  }

  /** Resolves when the frames are on disk. Where that fails, none of them is there. */
  async append(frames: Buffer): Promise<void> {
    try {
      await this.#file.appendFile(frames)
      await this.#file.datasync()
    } catch (error) {
      await this.#file.truncate(this.#size).catch(() => undefined)
      throw error
    }
    this.#size += frames.length
  }

  /** @returns the frame at an offset and where the next begins; undefined at the end */
  async at(offset: number): Promise<{ request: ForwardedRequest; next: number } | undefined> {
    const length = await this.#lengthAt(offset)
    if (length === 0) return undefined
    const request = decodeFrame(await this.#read(offset, length))
    return request === undefined ? undefined : { request, next: offset + length }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async remove(): Promise<void> {
    await this.#file.close()
    await rm(this.#path, { force: true })
  }

  /** 0 where no whole frame begins there. */
  async #lengthAt(offset: number): Promise<number> {
    if (offset + FRAME_PREFIX_BYTES > this.#size) return 0
    const length = frameLength(await this.#read(offset, FRAME_PREFIX_BYTES))
    return offset + length > this.#size ? 0 : length
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length)
    const { bytesRead } = await this.#file.read(buffer, 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }
}
