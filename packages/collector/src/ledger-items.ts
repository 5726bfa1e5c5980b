import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

import type { Encoding } from './answer.ts'
import { openBody, type LedgerItem } from './decode/read-items.ts'
import { inSlices } from './in-slices.ts'
import { Refusal } from './refusal.ts'
import { Turnstile } from './turnstile.ts'

/** A request for a ledger, as it came over the wire. */
export interface OtlpRequest {
  readonly signal: 'traces' | 'logs'
  readonly encoding: Encoding
  readonly isGzip: boolean
  readonly body: Buffer
}

/** How large a body may be once it is decompressed. */
export interface BodyLimits {
  readonly maxDecompressedBytes: number
  readonly maxJsonBytes: number
}

/** A request that is being read. */
export interface LedgerItems {
  readonly items: Iterator<LedgerItem, void>
  /** To be called as soon as no more is read of it; may be called again. */
  close(): void
}

/** A body up to this size is read before any of it is written; a larger one is read twice, first to know that all of it can be. */
const READ_AT_ONCE_BYTES = 1024 * 1024
/** Of bodies that are larger in memory than they came, those above this size are open one at a time in a process. */
const LARGE_BYTES = 4 * 1024 * 1024
const largeBodies = new Turnstile()

/**
 * Opens a request for reading, item by item, so that a large one is never in memory as calls as a whole.
 * @throws Refusal where it cannot be decompressed or decoded, or is too large
 */
export async function openItems(request: OtlpRequest, limits: BodyLimits): Promise<LedgerItems> {
  const grows = request.isGzip || request.encoding === 'json'
  const close = grows ? await largeBodies.enter() : (): void => undefined
  try {
    const body = request.isGzip ? await decompress(request.body, limits.maxDecompressedBytes) : request.body
    if (body.length > limits.maxDecompressedBytes) throw tooLarge(limits.maxDecompressedBytes)
    if (body.length <= LARGE_BYTES) close()
    if (request.encoding === 'json' && body.length > limits.maxJsonBytes) {
      throw new Refusal('too_large', `JSON may have ${limits.maxJsonBytes} bytes. Send fewer spans at a time, or protobuf.`)
    }
    const open = openBody(request.signal, request.encoding, body)
    if (body.length > READ_AT_ONCE_BYTES) {
      await inSlices(open(), () => undefined)
      return { items: open(), close }
    }
    const items: LedgerItem[] = []
    await inSlices(open(), (item) => {
      items.push(item)
    })
    return { items: items.values(), close }
  } catch (error) {
    close()
    // The protobuf library throws RangeErrors where a body is cut off.
    throw error instanceof RangeError ? new Refusal('undecodable', 'The body cannot be decoded: it is cut off.', { cause: error }) : error
  }
}

const gunzipAsync = promisify(gunzip)

async function decompress(body: Buffer, maxOutputLength: number): Promise<Buffer> {
  try {
    return body.length === 0 ? body : await gunzipAsync(body, { maxOutputLength })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxOutputLength)
    throw new Refusal('undecodable', 'The body is no gzip.', { cause })
  }
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('too_large', `A body may have ${maxBytes} bytes after decompression. Send fewer spans at a time.`)
}
