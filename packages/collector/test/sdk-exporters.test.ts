import { join } from 'node:path'

import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base'
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base'
import { LedgerSpanExporter } from '@spanledger/exporter'
import { expect, it } from 'vitest'

import { findFaults, readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans } from './spans.ts'

const spans = makeSpans([
  { name: 'request', attributes: { 'user.id': 'ada', 'property.plan': 'pro' } },
  { name: 'chat gpt-4o-mini', parent: 0, attributes: callAttributes({ 'session.id': 's-1', 'property.Größe': 'ä€𝄞' }), lastsMs: 1234 },
  { name: 'chat gpt-4o-mini', parent: 0, attributes: callAttributes({ 'user.id': 'bob' }), startNs: 999_999_999 },
  { name: 'chat', attributes: callAttributes({ 'error.type': 'rate_limit' }), failed: true },
])

it.each([
  ['http/protobuf', (url: string) => new ProtobufExporter({ url: `${url}/v1/traces` })],
  ['http/protobuf with gzip', (url: string) => new ProtobufExporter({ url: `${url}/v1/traces`, compression: CompressionAlgorithm.GZIP })],
  ['http/json', (url: string) => new JsonExporter({ url: `${url}/v1/traces` })],
  ['grpc', (_: string, grpcUrl: string) => new GrpcExporter({ url: grpcUrl })],
  ['grpc with gzip', (_: string, grpcUrl: string) => new GrpcExporter({ url: grpcUrl, compression: CompressionAlgorithm.GZIP })],
])("OpenTelemetry's exporter over %s brings the same lines as an exporter into the ledger itself", async (_name, makeExporter) => {
  const collector = await startCollector({ grpcPort: 0 })
  const exporter = makeExporter(collector.httpUrl, collector.grpcUrl ?? '')
  await exported(exporter, spans)
  await exporter.shutdown()
  await collector.close()

  const inAppPath = join(tempFolder(), 'in-app.db')
  const inApp = new LedgerSpanExporter({ store: inAppPath })
  await exported(inApp as SpanExporter, spans)
  await inApp.shutdown()
  const lines = await readLines(collector.path)
  expect(lines).toEqual(await readLines(inAppPath))
  expect(lines.map(({ user, session, properties, latencyMs, status }) => [user, session, properties, latencyMs, status])).toEqual([
    ['ada', 's-1', 'größe=ä€𝄞; plan=pro', 1234, 'ok'],
    ['(none)', '(none)', '', 250, 'error'],
    ['bob', '(none)', 'plan=pro', 250, 'ok'],
  ])
  expect(await findFaults(collector.path)).toEqual([])
})

function exported(exporter: SpanExporter, batch: ReadableSpan[]): Promise<void> {
  return new Promise((resolve, reject) => {
    exporter.export(batch, ({ code, error }) => (code === 0 ? resolve() : reject(error ?? new Error('not exported'))))
  })
}
