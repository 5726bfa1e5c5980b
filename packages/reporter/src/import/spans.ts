import { readJsonRequest, type JsonRefusal } from '@spanledger/collector'
import type { CallOrigin } from '@spanledger/conventions'
import type { SpanLink, WrittenCall, WrittenEvent } from '@spanledger/store'

import type { Imported } from './imported-call.ts'
import { MAX_RECORD_BYTES, type RawRecord } from './raw-records.ts'
import { refuse, type Refusal, type RefusalReason } from './refusal.ts'

/**
 * Reads a request in OTLP's JSON, spans or log records, as the collector reads it: the same span that also came over the wire has
 * the same key. Nothing is settled; the ledger decides with the traces, whatever order files come in.
 */
export function readSpans({ bytes }: RawRecord): Imported {
  if (bytes === undefined) return refuse('too_long', `longer than ${MAX_RECORD_BYTES / 1024 / 1024} MiB`)
  const request = readJsonRequest(bytes)
  if ('refused' in request) return refuse(reasons[request.refused], request.detail)
  const calls: WrittenCall[] = []
  const events: WrittenEvent[] = []
  const links: SpanLink[] = []
  const refusals: Refusal[] = []
  for (const item of request.items) {
    if (item === undefined) continue
    if (typeof item === 'string') refusals.push(refuse('bad_span', item))
    else if ('call' in item) calls.push({ ...item.call, origin: imported(item.call.origin) })
    else if ('event' in item) events.push({ ...item.event, origin: imported(item.event.origin) })
    else links.push(item.link)
  }
  return { calls, events, links, refusals }
}

const reasons = { undecodable: 'no_json', too_large: 'too_long', no_otlp: 'no_otlp' } as const satisfies Record<JsonRefusal, RefusalReason>

function imported(origin: CallOrigin): CallOrigin {
  return origin === 'otlp' ? 'import' : origin
}
