import { spanledgerAttributes as ours } from './attributes.ts'
import { callTarget } from './event-facts.ts'
import type { LlmCall } from './llm-call.ts'
import type { SpanRecord } from './span.ts'

const FINGERPRINT_DIGITS = 12

/** What a span says of being asked once more. Says nothing of a key where there is nothing to say. Never throws. */
export function readRepeats({
  traceId,
  attributes,
}: Pick<SpanRecord, 'traceId' | 'attributes'>): Pick<LlmCall, 'fingerprint' | 'retryOf' | 'autoRetry'> {
  const said = attributes[ours.requestFingerprint]
  const retryOf = attributes[ours.retryOf]
  const autoRetry = attributes[ours.autoRetry]
  if (said === undefined && retryOf === undefined && autoRetry === undefined) return {}
  const original = readOriginal(traceId, retryOf)
  return {
    ...(typeof said === 'string' && /^[0-9a-f]{12,128}$/i.test(said)
      ? { fingerprint: Number.parseInt(said.slice(0, FINGERPRINT_DIGITS), 16) }
      : {}),
    ...(original === undefined ? {} : { retryOf: original }),
    ...(autoRetry === 'inside' || autoRetry === 'itself' ? { autoRetry } : {}),
  }
}

function readOriginal(traceId: string, said: unknown): string | undefined {
  if (typeof said !== 'string') return undefined
  const [first, second] = said.trim().toLowerCase().split('-')
  return (second === undefined ? callTarget(traceId, first) : callTarget(first, second))?.id
}
