import { expect, it } from 'vitest'

import { readSums, startCollector, type Sums } from './ledger.ts'

// Records made by hand after the agents' documentation: none of them can be run here.

type Values = Readonly<Record<string, string | number>>

const at = BigInt(Date.UTC(2026, 9, 1)) * 1_000_000n
const traceId = 'a'.repeat(32)

const claude = {
  'event.name': 'api_request',
  model: 'claude-sonnet-4-5',
  input_tokens: '9000',
  output_tokens: '393',
  cache_read_tokens: '5000',
  cache_creation_tokens: '1248',
  cost_usd: '0.05',
  duration_ms: '1500',
  request_id: 'req_1',
  'user.email': 'ann@example.com',
  'session.id': 's',
}
const claudeSums: Sums = { 'ann@example.com | s | claude-sonnet-4-5 | ok | pro | (none)': [1, 0, 9000, 5000, 1248, 393, 0] }

it('a call of Claude Code counts once, however often its record comes', async () => {
  const record = logs(claude, { body: 'claude_code.api_request' })
  expect(await sumsAfter(record, record)).toEqual(claudeSums)
})

it('a call of Claude Code counts once where it comes as a span, too, whichever comes first', async () => {
  const { 'event.name': _, ...attributes } = claude
  const span = spans({ traceId, spanId: 'b'.repeat(16), name: 'claude_code.llm_request' }, { ...attributes, 'span.type': 'llm_request' })
  const record = logs(claude, { body: 'claude_code.api_request', traceId, spanId: 'b'.repeat(16) })
  // A record within the interaction rather than within the span of the request is the same answer, by its request id.
  const beside = logs(claude, { body: 'claude_code.api_request', traceId, spanId: 'c'.repeat(16) })
  for (const sent of [
    [span, record],
    [record, span],
    [span, beside],
    [beside, span, record],
  ]) {
    expect(await sumsAfter(...sent)).toEqual(claudeSums)
  }
})

it('an answer of Codex is one call, though it has two records', async () => {
  const said = {
    model: 'gpt-5.3-codex',
    'conversation.id': 'c',
    'user.account_id': 'bob',
    'event.name': 'codex.sse_event',
    'event.kind': 'response.completed',
  }
  const counts = {
    input_token_count: '7243',
    output_token_count: '423',
    cached_token_count: 3072,
    reasoning_token_count: 58,
    tool_token_count: '7666',
  }
  expect(await sumsAfter(logs({ ...said, duration_ms: '900' }), logs({ ...said, ...counts }))).toEqual({
    'bob | c | gpt-5.3-codex | ok | pro | (none)': [1, 0, 4171, 3072, 0, 365, 58],
  })
})

it('an answer of Gemini CLI is one call, though it has two records', async () => {
  const said = { model: 'gemini-3-pro-preview', 'session.id': 'g', 'user.email': 'eve@example.com' }
  const counts = {
    input_token_count: 100,
    output_token_count: 28,
    cached_content_token_count: 40,
    thoughts_token_count: 244,
    tool_token_count: 5,
    total_token_count: 377,
  }
  const details = {
    'gen_ai.request.model': said.model,
    'gen_ai.operation.name': 'generate_content',
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.output_tokens': 28,
  }
  const answers = [
    logs({ ...said, ...counts, 'event.name': 'gemini_cli.api_response' }),
    logs({ ...said, ...details, 'event.name': 'gen_ai.client.inference.operation.details' }),
  ]
  expect(await sumsAfter(...answers)).toEqual({
    'eve@example.com | g | gemini-3-pro-preview | ok | pro | (none)': [1, 0, 65, 40, 0, 28, 244],
  })
})

interface Sent {
  readonly path: '/v1/logs' | '/v1/traces'
  readonly body: unknown
}

/** What a ledger says after a collector was sent these. */
async function sumsAfter(...sent: readonly Sent[]): Promise<Sums> {
  const { path: ledger, httpUrl, close } = await startCollector()
  for (const { path, body } of sent) {
    const answer = await fetch(`${httpUrl}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })
    expect([answer.status, await answer.text()]).toEqual([200, '{}'])
  }
  await close()
  return readSums(ledger)
}

/** What a team puts on all that its agents send. */
const resource = {
  attributes: [
    { key: 'plan', value: { stringValue: 'pro' } },
    { key: 'service.name', value: { stringValue: 'agent' } },
  ],
}

function logs(attributes: Values, { body, ...ids }: { body?: string; traceId?: string; spanId?: string } = {}): Sent {
  const record = {
    timeUnixNano: String(at),
    ...(body === undefined ? {} : { body: { stringValue: body } }),
    ...ids,
    attributes: pairs(attributes),
  }
  return { path: '/v1/logs', body: { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] } }
}

function spans(span: Readonly<Record<string, string>>, attributes: Values): Sent {
  const whole = {
    ...span,
    startTimeUnixNano: String(at - 1_500_000_000n),
    endTimeUnixNano: String(at),
    attributes: [...pairs(attributes), ...pairs({ 'property.plan': 'pro' })],
  }
  return { path: '/v1/traces', body: { resourceSpans: [{ resource, scopeSpans: [{ spans: [whole] }] }] } }
}

function pairs(values: Values): unknown[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }))
}
