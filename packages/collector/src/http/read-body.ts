import type { IncomingMessage } from 'node:http'

import type { Budget } from '../budget.ts'
import { overloaded } from '../receiver.ts'
import { Refusal } from '../refusal.ts'

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
    if (!budget.take(bytes)) throw overloaded()
    held += bytes
  }
  try {
    // All at once where the length is known: of two that both get half of their room, neither would end.
    hold(announced)
    const chunks: Buffer[] = []
    let length = 0
    // Destroying the request on an early end would close the connection before the answer is out.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) throw tooLarge(maxBytes)
      if (length > held) hold(length - held)
      chunks.push(chunk)
    }
    const [first] = chunks
    return { body: chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks), release }
  } catch (error) {
    release()
    request.resume()
    // The connection broke, or was too slow: there is nobody to answer.
    if (!(error instanceof Refusal)) throw new Refusal('undecodable', 'The body ended early.', { cause: error })
    throw error
  }
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('too_large', `A body may have ${maxBytes} bytes. Send fewer spans at a time, or gzip.`)
}
