/** An OTLP log record as every entrance hands it to the readers, beside `SpanRecord`. */
export interface LogRecord {
  /** Milliseconds since 1970 UTC with a fraction; when it was observed, where it says no time. */
  readonly timeMs: number
  /** OTLP's `event_name`; older emitters write `event.name` among the attributes, or the name as the body. */
  readonly eventName: string | undefined
  readonly body: unknown
  /** 32 and 16 lower-case hex digits; undefined where the record belongs to no span. */
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  readonly scopeName: string
  readonly scopeVersion: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resourceAttributes: Readonly<Record<string, unknown>>
  readonly droppedAttributes: number
}

/** The names that a record gives for its event, most reliable first. The body is looked at only as a name. */
export function eventNamesOf({ eventName, attributes, body }: Pick<LogRecord, 'eventName' | 'attributes' | 'body'>): string[] {
  return [attributes['event.name'], eventName, body].filter(
    (name): name is string => typeof name === 'string' && name.length > 0 && name.length <= 128,
  )
}
