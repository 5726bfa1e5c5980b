/** A finished span as every entrance hands it to the readers: the same shape from an app's SDK and from OTLP. */
export interface SpanRecord {
  /** 32 lower-case hex digits. */
  readonly traceId: string
  /** 16 lower-case hex digits. */
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** Milliseconds since 1970 UTC with a fraction; the integer part keys the call. */
  readonly startMs: number
  readonly endMs: number
  /** OTel status: 0 unset, 1 ok, 2 error. */
  readonly statusCode: number
  readonly statusMessage: string | undefined
  readonly scopeName: string
  readonly scopeVersion: string
  /** Values may be of any JSON-like type; SDK 3.x allows objects and mixed arrays. */
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resourceAttributes: Readonly<Record<string, unknown>>
  /** How many attributes the SDK dropped over its limit: usage or identity may be among them. */
  readonly droppedAttributes: number
  /** The last exception that was recorded on it: some libraries say a failure so, and nowhere else. */
  readonly exception?: SpanException | undefined
}

/** An `exception` event (OpenTelemetry, recording exceptions); what it does not say, or says as no text, is undefined. */
export interface SpanException {
  readonly type: string | undefined
  readonly message: string | undefined
}

/** What the attributes of an `exception` event say. */
export function exceptionOf(attributes: Readonly<Record<string, unknown>>): SpanException {
  const [type, message] = [attributes['exception.type'], attributes['exception.message']]
  return { type: typeof type === 'string' ? type : undefined, message: typeof message === 'string' ? message : undefined }
}
