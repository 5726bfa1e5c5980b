/** The three kinds of data that OTLP has a service for. */
export type SignalName = keyof typeof signals

/** How each is reached, and what its answer calls what was not taken. */
export const signals = {
  traces: {
    path: '/v1/traces',
    grpcPath: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    rejectedField: 'rejectedSpans',
    unit: 'span',
  },
  logs: {
    path: '/v1/logs',
    grpcPath: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
    rejectedField: 'rejectedLogRecords',
    unit: 'log record',
  },
  metrics: {
    path: '/v1/metrics',
    grpcPath: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
    rejectedField: 'rejectedDataPoints',
    unit: 'data point',
  },
} as const satisfies Record<string, Signal>

interface Signal {
  readonly path: string
  readonly grpcPath: string
  readonly rejectedField: string
  readonly unit: string
}

export const signalNames = Object.keys(signals) as readonly SignalName[]
