import type { IncomingMessage } from 'node:http'

import type { Budget } from '../budget.ts'
import { overloaded } from '../receiver.ts'
import { Refusal } from '../refusal.ts'

/** So much of a body is given its room before it comes. */
const HELD_AT_ONCE_BYTES = 512 * 1024

/** A body, and the room in memory that it holds until `release`. */
export interface HeldBody {
  readonly body: Buffer
  release(): void
}

/**
 * Reads a body, as many bytes as are allowed and as there is room for.
 * @throws Refusal; what is still to come of the body is then thrown away as it arrives, so that the connection can be used again
 */
export async function readBody(request: IncomingMessage, { budget, maxBytes }: { budget: Budget; maxBytes: number }): Promise<HeldBody> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) throw tooLarge(maxBytes)
  let held = 0
  const release = (): void => {
    budget.giveBack(held)
    held = 0
  }
  const hold = (bytes: number): void => {
    if (!budget.take(bytes, held)) throw overloaded()
    held += bytes
  }
  try {
    // A request of usual size is refused before anything of it is read. Of a large one, only what has come takes room: a client
    // that announces much and sends nothing keeps nobody out.
    hold(Math.min(announced, HELD_AT_ONCE_BYTES))
    const arrived = (bytes: number): void => {
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      if (bytes > held) hold(bytes - held)
    }
    // Destroying the request on an early end would close the connection before the answer is out.
    const bytes = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    const body = announced > 0 ? await readAnnounced(bytes, announced, arrived) : await readChunked(bytes, arrived)
    return { body, release }
  } catch (error) {
    release()
    request.resume()
    // The connection broke, or was too slow: there is nobody to answer.
    if (!(error instanceof Refusal)) throw new Refusal('undecodable', 'The body ended early.', { cause: error })
    throw error
  }
}

/** Into one piece of memory from the start: of two that are put together later, both would be there at once. */
async function readAnnounced(bytes: AsyncIterable<Buffer>, announced: number, arrived: (bytes: number) => void): Promise<Buffer> {
  const body = Buffer.allocUnsafeSlow(announced)
  let length = 0
  // Node lets no more through than was announced.
  for await (const chunk of bytes) {
    arrived(length + chunk.length)
    length += chunk.copy(body, length)
  }
  return body.subarray(0, length)
}

async function readChunked(bytes: AsyncIterable<Buffer>, arrived: (bytes: number) => void): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of bytes) {
    arrived((length += chunk.length))
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('too_large', `A body may have ${maxBytes} bytes. Send fewer spans at a time, or gzip.`)
}
