import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor, type ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { describe, expect, it } from 'vitest'

import { readCounters, readEvents, readLines, startCollector } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

const serializeLogs = {
  protobuf: (records: ReadableLogRecord[]): Uint8Array<ArrayBuffer> =>
    Uint8Array.from(ProtobufLogsSerializer.serializeRequest(records) ?? []),
  json: (records: ReadableLogRecord[]): Uint8Array<ArrayBuffer> => Uint8Array.from(JsonLogsSerializer.serializeRequest(records) ?? []),
}

/** Log records as an app's SDK makes them. */
function makeLogs(
  records: readonly { eventName?: string; body?: string; attributes: Record<string, string | number>; timestamp?: [number, number] }[],
): ReadableLogRecord[] {
  const exporter = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'claude-code' }),
    processors: [new SimpleLogRecordProcessor({ exporter })],
  })
  const logger = provider.getLogger('com.anthropic.claude_code.events', '2.0.0')
  for (const record of records) logger.emit({ timestamp: [Date.UTC(2026, 0, 15) / 1000, 123_456_789], ...record })
  return exporter.getFinishedLogRecords()
}

describe.each(['protobuf', 'json'] as const)('log records in %s', (encoding) => {
  it('of coding agents are calls, each once', async () => {
    const { httpUrl, path } = await startCollector()
    const body = serializeLogs[encoding](
      makeLogs([
        {
          body: 'claude_code.api_request',
          attributes: {
            'event.name': 'api_request',
            'event.timestamp': '2026-01-15T00:00:00.123Z',
            'user.id': 'u-hash',
            'session.id': 's-1',
            model: 'claude-sonnet-4-5',
            input_tokens: 100,
            output_tokens: 20,
            cache_read_tokens: 1000,
            cache_creation_tokens: 10,
            cost_usd: 0.01,
            duration_ms: 1500,
          },
        },
        { body: 'claude_code.user_prompt', attributes: { 'event.name': 'user_prompt', prompt: 'hello' } },
      ]),
    )
    for (let time = 0; time < 2; time++) expect((await post(httpUrl, body, { encoding, path: '/v1/logs' })).status).toBe(200)
    expect(
      (await readLines(path)).map(({ user, session, model, inputTokens, outputTokens, latencyMs }) => [
        user,
        session,
        model,
        inputTokens,
        outputTokens,
        latencyMs,
      ]),
    ).toEqual([['u-hash', 's-1', 'claude-sonnet-4-5', 100, 20, 1500]])
  })

  it('that are evaluations are events', async () => {
    const { httpUrl, path } = await startCollector()
    const body = serializeLogs[encoding](
      makeLogs([
        {
          eventName: 'gen_ai.evaluation.result',
          attributes: {
            'gen_ai.evaluation.name': 'helpful',
            'gen_ai.evaluation.score.value': 0.75,
            'gen_ai.evaluation.score.label': 'good',
            'user.id': 'ada',
          },
        },
      ]),
    )
    for (let time = 0; time < 2; time++) expect((await post(httpUrl, body, { encoding, path: '/v1/logs' })).status).toBe(200)
    expect(await readEvents(path)).toMatchObject([{ kind: 'feedback', name: 'helpful', user: 'ada', outcome: 'good', value: 0.75 }])
  })
})

it('log records are the same lines in both encodings', async () => {
  const records = makeLogs([
    { eventName: 'gen_ai.evaluation.result', attributes: { 'gen_ai.evaluation.name': 'a', 'gen_ai.evaluation.score.value': 1 } },
    {
      body: 'claude_code.api_request',
      attributes: { 'event.name': 'api_request', model: 'claude-sonnet-4-5', input_tokens: 5, output_tokens: 2 },
    },
  ])
  const ledgers = await Promise.all(
    (['protobuf', 'json'] as const).map(async (encoding) => {
      const { httpUrl, path } = await startCollector()
      await post(httpUrl, serializeLogs[encoding](records), { encoding, path: '/v1/logs' })
      return [await readLines(path), await readEvents(path)]
    }),
  )
  expect(ledgers[0]).toEqual(ledgers[1])
  expect(ledgers[0]?.map(({ length }) => length)).toEqual([1, 1])
})

it('log records that were sent to /v1/traces are refused with a hint where to', async () => {
  const { httpUrl, path } = await startCollector()
  const body = serializeLogs.protobuf(makeLogs([{ body: 'a log record', attributes: { 'event.name': 'x' } }]))
  const answer = await post(httpUrl, body)
  const text = Buffer.from(await answer.arrayBuffer()).toString()
  expect([answer.status, text]).toEqual([
    200,
    expect.stringContaining('1 without a valid trace id (32 hex digits)). Log records go to /v1/logs.') as unknown,
  ])
  expect(await readLines(path)).toEqual([])
})

it('spans that were sent to /v1/logs make no calls', async () => {
  const { httpUrl, path } = await startCollector()
  await post(httpUrl, serialize.protobuf(makeSpans([{ attributes: callAttributes() }])), { path: '/v1/logs' })
  expect(await readLines(path)).toEqual([])
  expect(Object.keys(await readCounters(path)).every((name) => name.startsWith('refused_'))).toBe(true)
})
