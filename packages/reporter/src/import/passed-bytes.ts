import { createHash, type Hash } from 'node:crypto'

/** The digest of a file's bytes from one place to another, taken while they pass by. Holds one piece of the file at most. */
export class PassedBytes {
  readonly #hash: Hash = createHash('sha256')
  #offset: number
  /** What has passed by and is not in the digest yet. */
  #rest: Buffer = Buffer.alloc(0)

  constructor(offset: number) {
    this.#offset = offset
  }

  async *through(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      this.#rest = piece
      yield piece
      this.#take(this.#rest.length)
    }
  }

  /** Lets all pass by up to an offset. @returns whether there is so much */
  async skipTo(offset: number, pieces: AsyncIterable<Buffer>): Promise<boolean> {
    for await (const piece of pieces) {
      this.#take(this.#rest.length)
      this.#rest = piece
      if (this.#offset + piece.length >= offset) return true
    }
    return this.#offset + this.#rest.length >= offset
  }

  /** SHA-256 of the bytes up to an offset, which lies in the piece that passed by last. */
  sha256To(offset: number): string {
    this.#take(offset - this.#offset)
    return this.#hash.copy().digest('hex')
  }

  #take(length: number): void {
    this.#hash.update(this.#rest.subarray(0, length))
    this.#rest = this.#rest.subarray(length)
    this.#offset += length
  }
}
