/**
 * The parts of OpenTelemetry's spans that are read here, as the SDKs 1.30, 2.x and 3.x have them. Declared by us, so that
 * an app may bring any of them; its types fit these.
 */
export interface StartedSpan {
  readonly attributes?: Readonly<Record<string, unknown>>
  /** Since SDK 2.0: the very object that the parent's `spanContext()` gives. */
  readonly parentSpanContext?: SpanIds | undefined
  /** Until SDK 1.30. */
  readonly parentSpanId?: string | undefined
  setAttribute(name: string, value: string): unknown
  spanContext(): SpanIds
}

/** A span that has ended (`ReadableSpan`). */
export interface EndedSpan {
  readonly name: string
  /** `SpanKind`: 0 internal, 1 server, 2 client, 3 producer, 4 consumer. */
  readonly kind?: number
  spanContext(): SpanIds
  /** Since SDK 2.0. */
  readonly parentSpanContext?: SpanIds | undefined
  /** Until SDK 1.30. */
  readonly parentSpanId?: string | undefined
  readonly startTime: HrTime
  readonly endTime: HrTime
  readonly status: { readonly code: number; readonly message?: string | undefined }
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events?: readonly { readonly name?: string; readonly attributes?: Readonly<Record<string, unknown>> | undefined }[]
  readonly droppedAttributesCount?: number
  readonly resource: { readonly attributes: Readonly<Record<string, unknown>> }
  /** Since SDK 2.0. */
  readonly instrumentationScope?: Scope
  /** Until SDK 1.30. */
  readonly instrumentationLibrary?: Scope
}

export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
}

/** Whole seconds since 1970 and the nanoseconds on top. */
export type HrTime = readonly [seconds: number, nanoseconds: number]

interface Scope {
  readonly name: string
  readonly version?: string | undefined
}
