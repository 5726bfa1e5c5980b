import { readFileSync, rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

import { openStore } from '@spanledger/store'
import { afterAll, describe, expect, it } from 'vitest'

import { localTimes } from '../src/import/read-time.ts'
import { langfuseSource } from '../src/import/sources.ts'
import { fileOf, folder, imported, importInto, lines, newLedger, type OpenSource } from './import-kit.ts'
import { run } from './run-command.ts'

afterAll(() => rmSync(folder, { recursive: true }))

const langfuse: OpenSource = (file) => langfuseSource(file, { zone: localTimes('UTC'), zoneName: 'UTC' })

const traceId = '5b8efff798038103d269b633813fc60c'

/** As version 2 of the API has it: a root that says whose it is, and a generation below it. */
const root = {
  id: 'aaaaaaaaaaaaaaaa',
  traceId,
  type: 'SPAN',
  name: 'ask',
  startTime: '2026-01-05T10:00:00.000Z',
  endTime: '2026-01-05T10:00:02.000Z',
  parentObservationId: null,
  userId: 'ada',
  sessionId: 's-1',
  traceName: 'support-chat',
  tags: ['beta', 'a'],
  level: 'DEFAULT',
  metadata: { attributes: { x: 1 } },
}
const generation = {
  ...root,
  id: 'bbbbbbbbbbbbbbbb',
  type: 'GENERATION',
  name: 'OpenAI.chat',
  parentObservationId: 'aaaaaaaaaaaaaaaa',
  userId: null,
  sessionId: null,
  startTime: '2026-01-05T10:00:00.250Z',
  endTime: '2026-01-05T10:00:01.150Z',
  completionStartTime: '2026-01-05T10:00:00.450Z',
  model: 'gpt-4o-2024-08-06',
  modelParameters: { temperature: 1 },
  input: 'a secret question',
  output: 'a secret answer',
  usageDetails: { input: 36, input_cached_tokens: 64, output: 12, output_reasoning_tokens: 8, total: 120 },
  costDetails: { input: 0.00017, output: 0.0002, total: 0.00037 },
}
const expected = {
  start: '2026-01-05T10:00:00.250Z',
  trace_id: traceId,
  span_id: 'bbbbbbbbbbbbbbbb',
  user: 'ada',
  session: 's-1',
  provider: 'openai',
  response_model: 'gpt-4o-2024-08-06',
  operation: 'chat',
  origin: 'import',
  latency_ms: 900,
  ttft_ms: 200,
  input_tokens: 36,
  cache_read_tokens: 64,
  output_tokens: 12,
  reasoning_tokens: 8,
  cost_usd: '0.000370000',
  properties: JSON.stringify({ feature: 'support-chat', tags: '["a","beta"]' }),
}

describe('observations of Langfuse', () => {
  it('become calls under their own ids, with the user that their trace says', async () => {
    const { calls, tallies } = await imported([fileOf(lines([generation, root]))], langfuse)
    expect(calls).toMatchObject([expected])
    expect(tallies).toMatchObject([{ records: 2, calls: 1, imported: 1, no_call: 1, refused: 0, mended: {} }])
  })

  it('are the same call as the span that Langfuse was sent', async () => {
    const store = await openStore({ path: newLedger() })
    await importInto(store, fileOf(lines([generation, root])), { open: langfuse })
    const span = {
      traceId,
      spanId: generation.id,
      parentSpanId: root.id,
      name: generation.name,
      startTimeUnixNano: '1767607200250999999',
      endTimeUnixNano: '1767607201150000000',
      attributes: [
        { key: 'langfuse.observation.type', value: { stringValue: 'generation' } },
        { key: 'langfuse.observation.model.name', value: { stringValue: generation.model } },
        { key: 'langfuse.observation.usage_details', value: { stringValue: JSON.stringify(generation.usageDetails) } },
      ],
    }
    const request = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ scope: { name: 'langfuse-sdk' }, spans: [span] }] }] })
    await store.close()
    const { out } = await run(['import', 'spans', fileOf(`${request}\n`), '--store', store.path, '--format', 'json'])
    expect(JSON.parse(out)).toMatchObject({ totals: { calls: 1, imported: 0, already_there: 1 } })
  })

  it('are read from a list, from pages of the API, from traces, from tables, and packed', async () => {
    const whole = await imported([fileOf(lines([generation, root]))], langfuse)
    const snake = (value: object): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(value).map(([name, one]) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), one]),
      )
    const cell = (value: unknown): string =>
      value === null || value === undefined ? '' : `"${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('"', '""')}"`
    const columns = Object.keys(generation)
    const table = [columns, ...[root, generation].map((one) => columns.map((name) => cell((one as Record<string, unknown>)[name])))]
    const { userId, sessionId, traceName, tags, ...plainRoot } = root
    const trace = {
      id: traceId,
      timestamp: root.startTime,
      name: traceName,
      userId,
      sessionId,
      tags,
      metadata: {},
      observations: [plainRoot, { ...generation, userId: undefined, sessionId: undefined, traceName: undefined, tags: undefined }],
    }
    for (const path of [
      fileOf(JSON.stringify([root, generation]), '.json'),
      fileOf(JSON.stringify({ data: [root, generation], meta: {} }, null, 2), '.json'),
      fileOf(`${JSON.stringify({ data: [root] })}\n${JSON.stringify({ data: [generation] })}\n`),
      fileOf(JSON.stringify({ data: [trace] }), '.json'),
      fileOf(gzipSync(lines([snake(root), snake(generation)])), '.jsonl.gz'),
      fileOf(table.map((row) => row.join(',')).join('\n'), '.csv'),
    ]) {
      const { calls, users } = await imported([path, path], langfuse)
      expect({ calls, users }).toEqual({ calls: whole.calls, users: whole.users })
    }
  })

  it('of older versions have uuids for ids and their usage in two parts', async () => {
    const old = {
      id: '0b6d0f9e-0001-4a4e-9a0a-000000000001',
      traceId: '0b6d0f9e-0002-4a4e-9a0a-000000000001',
      type: 'GENERATION',
      name: 'chat',
      startTime: '2026-01-05 10:00:00.250',
      endTime: null,
      latency: 0.9,
      timeToFirstToken: 0.2,
      model: 'gpt-4o',
      usage: { input: 100, output: 20, total: 120, unit: 'TOKENS' },
      usageDetails: {},
      level: 'ERROR',
      statusMessage: '429 rate limit exceeded',
    }
    const { calls } = await imported([fileOf(lines([old, { ...old, id: '2', usage: { input: 0, output: 0, total: 0 } }]))], langfuse)
    expect(calls).toMatchObject([
      { trace_id: '0b6d0f9e00024a4e9a0a000000000001', status: 'error', error: 'rate_limit', latency_ms: 900, ttft_ms: 200 },
      { status: 'error' },
    ])
    expect(calls.map((call) => call['input_tokens']).sort()).toEqual([100, null])
  })

  it('with something wrong in them lose nothing else', async () => {
    const { calls, tallies } = await imported(
      [
        fileOf(
          lines([
            { ...root, id: null },
            { data: [generation, { ...generation, id: '2', startTime: 'soon' }] },
            { ...generation, id: '3', startTime: '1969-01-01T00:00:00Z' },
            { id: traceId, timestamp: root.startTime },
          ]),
        ),
      ],
      langfuse,
    )
    expect(calls).toHaveLength(1)
    expect(tallies[0]).toMatchObject({
      records: 4,
      imported: 1,
      refused: 3,
      no_call: 1,
      refusals: [{ reason: 'no_id' }, { reason: 'no_time' }, { reason: 'time_out_of_range' }],
    })
  })

  it('leave nothing of what was asked and answered in the ledger', async () => {
    const store = await openStore({ path: newLedger() })
    await importInto(store, fileOf(lines([root, generation])), { open: langfuse })
    await store.close()
    expect(readFileSync(store.path).includes('secret')).toBe(false)
  })

  it('are told from tables of something else', async () => {
    const ran = await run(['import', 'langfuse', fileOf('a,b\n1,2\n', '.csv'), '--store', newLedger()])
    expect([ran.code, ran.err]).toEqual([
      1,
      expect.stringContaining('is no export of Langfuse: it is neither JSON nor a table with a column startTime'),
    ])
  })
})
