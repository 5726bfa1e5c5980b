import { parseJsonBody } from './decode/json-body.ts'
import { meaningsInJson, type LedgerItem } from './decode/read-items.ts'
import { Refusal } from './refusal.ts'

/** What a request in OTLP's JSON says, or why it says nothing. */
export type JsonRequest = { readonly items: readonly LedgerItem[] } | { readonly refused: JsonRefusal; readonly detail: string }
export type JsonRefusal = 'undecodable' | 'too_large' | 'no_otlp'

/**
 * Reads a request with spans or log records, as a Collector's file exporter writes one a line; metrics say nothing to a
 * ledger. All of it is read before any of it is returned. Never throws.
 */
export function readJsonRequest(body: Buffer): JsonRequest {
  try {
    const parsed = parseJsonBody(body)
    if (!envelopes.some((name) => Object.hasOwn(parsed, name))) {
      return { refused: 'no_otlp', detail: `none of ${envelopes.join(', ')} is in it` }
    }
    return { items: [...meaningsInJson(parsed)] }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { refused: error.kind === 'too_large' ? 'too_large' : 'undecodable', detail: error.message }
  }
}

const envelopes = ['resourceSpans', 'resourceLogs', 'resourceMetrics']
