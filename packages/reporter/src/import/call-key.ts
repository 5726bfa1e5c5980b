import { createHash } from 'node:crypto'

/** What a call is known by: together with its start, the key under which it counts once. */
export interface CallKey {
  readonly traceId: string
  readonly spanId: string
  /**
   * True where nothing else can stand in the same trace. Other calls are decided with their trace: wrappers, and several records
   * of one answer.
   */
  readonly alone: boolean
}

/** What a record says of itself, most telling first. */
export interface RecordIds {
  readonly traceId?: string | undefined
  readonly spanId?: string | undefined
  /** The provider's id of the answer, with the provider that gave it. */
  readonly answer?: { readonly provider: string; readonly responseId: string } | undefined
  /** The source's own id of the record. */
  readonly recordId?: string | undefined
  /** What the record says, where it has no id at all. */
  readonly content?: (() => string) | undefined
}

/**
 * The key of an imported call. It depends on nothing but the record, so importing again changes nothing. A trace and span id
 * are kept as they are, so that a span which came by OTLP too counts once; several records of one answer share a trace, in
 * which one answer counts once, whatever source they come from.
 */
export function callKey(source: string, { traceId, spanId, answer, recordId, content }: RecordIds): CallKey {
  const ownWords =
    answer !== undefined
      ? ['answer', answer.provider, answer.responseId]
      : recordId !== undefined
        ? [source, 'id', recordId]
        : [source, 'content', content?.() ?? '']
  const own = createHash('sha256').update(JSON.stringify(ownWords)).digest('hex')
  return {
    traceId: traceId === undefined ? own.slice(0, 32) : traceIdOf(traceId),
    spanId: spanId === undefined ? own.slice(32, 48) : spanIdOf(spanId),
    alone: traceId === undefined && answer === undefined,
  }
}

/** 32 hex digits; a UUID is its digits, and any other text is hashed. */
export function traceIdOf(text: string): string {
  return hexOr(text.replaceAll('-', ''), 32) ?? createHash('sha256').update(`trace ${text}`).digest('hex').slice(0, 32)
}

/** 16 hex digits; any other text is hashed. */
export function spanIdOf(text: string): string {
  return hexOr(text, 16) ?? createHash('sha256').update(`span ${text}`).digest('hex').slice(0, 16)
}

function hexOr(text: string, digits: number): string | undefined {
  const lower = text.toLowerCase()
  return lower.length === digits && /^[0-9a-f]+$/.test(lower) && !/^0+$/.test(lower) ? lower : undefined
}
