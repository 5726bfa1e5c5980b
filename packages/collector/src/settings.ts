/** Every option of the collector that has a default: its environment variable, unit and meaning. */
export const settings = {
  host: {
    env: 'SPANLEDGER_COLLECT_HOST',
    default: '127.0.0.1',
    unit: 'address',
    says: 'Address to listen on. Any other than loopback needs a token.',
  },
  httpPort: { env: 'SPANLEDGER_COLLECT_HTTP_PORT', default: 4318, unit: 'port', says: 'Port of OTLP/HTTP; 0 picks a free one.' },
  grpcPort: {
    env: 'SPANLEDGER_COLLECT_GRPC_PORT',
    default: 4317,
    unit: 'port or off',
    says: 'Port of OTLP/gRPC; 0 picks a free one, "off" leaves it out.',
  },
  maxBodyBytes: {
    env: 'SPANLEDGER_COLLECT_MAX_BODY_BYTES',
    default: 20 * 1024 * 1024,
    unit: 'bytes',
    says: 'How large a request may be as it is sent.',
  },
  maxDecompressedBytes: {
    env: 'SPANLEDGER_COLLECT_MAX_DECOMPRESSED_BYTES',
    default: 32 * 1024 * 1024,
    unit: 'bytes',
    says: 'How large a request may be after decompression.',
  },
  maxJsonBytes: {
    env: 'SPANLEDGER_COLLECT_MAX_JSON_BYTES',
    default: 16 * 1024 * 1024,
    unit: 'bytes',
    says: 'How large a request in JSON may be after decompression: parsed, it takes several times as much.',
  },
  maxInFlightBytes: {
    env: 'SPANLEDGER_COLLECT_MAX_IN_FLIGHT_BYTES',
    default: 16 * 1024 * 1024,
    unit: 'bytes',
    says: 'How much of requests may be in memory at a time; beyond it the answer is 503 with Retry-After 1.',
  },
  maxConnections: {
    env: 'SPANLEDGER_COLLECT_MAX_CONNECTIONS',
    default: 512,
    unit: 'connections',
    says: 'How many connections OTLP/HTTP and OTLP/gRPC each hold open at a time.',
  },
  headersTimeoutMs: {
    env: 'SPANLEDGER_COLLECT_HEADERS_TIMEOUT_MS',
    default: 10_000,
    unit: 'ms',
    says: 'How long a client may take for the headers of a request; then it is cut off.',
  },
  requestTimeoutMs: {
    env: 'SPANLEDGER_COLLECT_REQUEST_TIMEOUT_MS',
    default: 30_000,
    unit: 'ms',
    says: 'How long a client may take for a whole request; then it is cut off.',
  },
  maxRequestsPerSecond: {
    env: 'SPANLEDGER_COLLECT_MAX_REQUESTS_PER_SECOND',
    default: 0,
    unit: 'requests',
    says: 'How many requests each token may send a second; beyond it the answer is 429 with Retry-After 1. 0 sets no limit.',
  },
  forwardMaxBytes: {
    env: 'SPANLEDGER_COLLECT_FORWARD_MAX_BYTES',
    default: 1024 * 1024 * 1024,
    unit: 'bytes',
    says: 'How much may wait on disk to be sent on; what comes on top is kept here, counted, and not sent on.',
  },
} as const satisfies Record<string, Setting>

/** One row of the table of options. */
export interface Setting {
  readonly env: string
  readonly default: string | number
  readonly unit: 'address' | 'port' | 'port or off' | 'bytes' | 'connections' | 'requests' | 'ms'
  readonly says: string
}

/** A value for each row of the table. */
export type Settings = {
  readonly [Name in keyof typeof settings]: Name extends 'grpcPort'
    ? number | 'off'
    : (typeof settings)[Name]['default'] extends number
      ? number
      : string
}
