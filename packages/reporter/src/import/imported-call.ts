import { spanledgerAttributes, toCall, type DialectCall } from '@spanledger/conventions'
import type { SpanLink, WrittenCall, WrittenEvent } from '@spanledger/store'

import type { CallKey } from './call-key.ts'
import { refuse, type Refusal } from './refusal.ts'

/** What came of a record: calls, nothing (it is no call), or why it is refused. */
export type Imported = ImportedCalls | Refusal

export interface ImportedCalls {
  readonly calls: readonly WrittenCall[]
  readonly events?: readonly WrittenEvent[]
  readonly links?: readonly SpanLink[]
  /** Parts of the record that are not taken, while the rest is. */
  readonly refusals?: readonly Refusal[]
  /** What was mended beside what the calls themselves say. */
  readonly mended?: readonly string[]
}

export const noCall: ImportedCalls = { calls: [] }

/** A ledger has days from 1970 to 2199. */
const MAX_START_MS = Date.UTC(2200, 0, 1)

export interface CallFacts {
  readonly key: CallKey
  readonly parentSpanId?: string | undefined
  readonly startMs: number
  readonly endMs: number
  readonly said: DialectCall
  /** True where a cache in front of the provider answered: the usage is what was saved. */
  readonly cacheHit?: boolean | undefined
  readonly message?: string | undefined
}

/** The call of one record, read as every other call is read. */
export function importedCall({ key, parentSpanId, startMs, endMs, said, cacheHit = false, message }: CallFacts): WrittenCall | Refusal {
  if (!(startMs >= 0 && startMs < MAX_START_MS)) {
    return refuse('time_out_of_range', `starts at ${shownTime(startMs)}; a ledger holds calls from 1970 to 2199`)
  }
  const span = {
    ...noSpan,
    traceId: key.traceId,
    spanId: key.spanId,
    parentSpanId,
    startMs,
    endMs,
    statusCode: said.status === 'ok' ? 0 : 2,
    statusMessage: message,
    attributes: cacheHit ? hitAttributes : noAttributes,
  }
  // Not a copy: a call has forty members, and there are millions of calls.
  return Object.assign(toCall(span, said, 'import'), { settled: key.alone })
}

const noSpan = { name: '', scopeName: '', scopeVersion: '', resourceAttributes: {}, droppedAttributes: 0 }
const noAttributes = {}
const hitAttributes = { [spanledgerAttributes.cacheHit]: true }

function shownTime(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
