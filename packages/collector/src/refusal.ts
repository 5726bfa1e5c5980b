/** Why a request, or all of it that is left, is not taken. */
export type RefusalKind = keyof typeof statuses

interface Status {
  readonly http: number
  /** A code of gRPC (https://grpc.io/docs/guides/status-codes/, read 2026-11-20). */
  readonly grpc: number
  /** Whether the same request may be taken a second later: then the answer says so, and clients keep what they have. */
  readonly retry: boolean
}

/**
 * What each refusal is on the wire. Of HTTP only 429, 502, 503 and 504 are sent again by clients, of gRPC UNAVAILABLE, and
 * RESOURCE_EXHAUSTED where RetryInfo comes with it (https://opentelemetry.io/docs/specs/otlp/, read 2026-11-20).
 */
const statuses = {
  undecodable: { http: 400, grpc: 3, retry: false },
  unauthenticated: { http: 401, grpc: 16, retry: false },
  forbidden: { http: 403, grpc: 7, retry: false },
  not_found: { http: 404, grpc: 12, retry: false },
  wrong_method: { http: 405, grpc: 12, retry: false },
  too_large: { http: 413, grpc: 8, retry: false },
  wrong_type: { http: 415, grpc: 3, retry: false },
  headers_too_large: { http: 431, grpc: 8, retry: false },
  too_often: { http: 429, grpc: 8, retry: true },
  busy: { http: 503, grpc: 14, retry: true },
} as const satisfies Record<string, Status>

/** What `Retry-After` says: a longer wait would outlast the retries of the JavaScript exporter, which then gives up at once. */
export const RETRY_AFTER_SECONDS = 1

/** An answer other than success. Its message goes to the sender: it names sizes and fields, never what was in them. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly kind: RefusalKind

  constructor(kind: RefusalKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }

  get status(): Status {
    return statuses[this.kind]
  }
}
