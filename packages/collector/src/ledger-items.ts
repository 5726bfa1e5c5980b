import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

import { readCall, readSpanIdentity, type LlmCall, type SpanRecord } from '@spanledger/conventions'
import { toLink, type SpanLink } from '@spanledger/store'

import type { Encoding } from './answer.ts'
import { parseJsonBody } from './decode/json-body.ts'
import { readJsonSpans } from './decode/json-spans.ts'
import { readProtobufSpans } from './decode/protobuf-spans.ts'
import type { SpanFault } from './decode/span-parts.ts'
import { inSlices } from './in-slices.ts'
import { Refusal } from './refusal.ts'
import type { SignalName } from './signals.ts'
import { Turnstile } from './turnstile.ts'

/** What one span or log record means for the ledger: a call, a link, nothing, or why it is not taken. */
export type LedgerItem = { readonly call: LlmCall } | { readonly link: SpanLink } | SpanFault | undefined

/** A request as it came over the wire. */
export interface OtlpRequest {
  readonly signal: SignalName
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
  /** To be called when no more is read of it. */
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
    const open = spansOf(request.encoding, body, limits)
    if (body.length > READ_AT_ONCE_BYTES) {
      await inSlices(open(), () => undefined)
      return { items: toItems(open()), close }
    }
    const items: LedgerItem[] = []
    await inSlices(toItems(open()), (item) => {
      items.push(item)
    })
    return { items: items.values(), close }
  } catch (error) {
    close()
    throw error
  }
}

function spansOf(encoding: Encoding, body: Buffer, { maxJsonBytes }: BodyLimits): () => Generator<SpanRecord | SpanFault, void> {
  if (encoding === 'protobuf') return () => readProtobufSpans(body)
  if (body.length > maxJsonBytes) {
    throw new Refusal('too_large', `JSON may have ${maxJsonBytes} bytes. Send fewer spans at a time, or protobuf.`)
  }
  const parsed = parseJsonBody(body)
  return () => readJsonSpans(parsed)
}

function* toItems(spans: Iterable<SpanRecord | SpanFault>): Generator<LedgerItem, void> {
  for (const span of spans) yield typeof span === 'string' ? span : toItem(span)
}

function toItem(span: SpanRecord): LedgerItem {
  const call = readCall(span, 'otlp')
  if (call !== undefined) return { call }
  const link = toLink(span, readSpanIdentity(span))
  // A root that says nothing of whose it is changes nothing for the spans below it, whenever they come.
  return link.parentSpanId === undefined && link.identity === undefined ? undefined : { link }
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
