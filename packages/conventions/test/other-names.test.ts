import { expect, it } from 'vitest'

import { readCall, type SpanRecord } from '../src/index.ts'

function span(attributes: Record<string, unknown>): SpanRecord {
  return {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentSpanId: undefined,
    name: 'chat gpt-4o-mini',
    startMs: Date.UTC(2026, 0, 1),
    endMs: Date.UTC(2026, 0, 1) + 100,
    statusCode: 0,
    statusMessage: undefined,
    scopeName: 'any',
    scopeVersion: '1',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 1,
      ...attributes,
    },
    resourceAttributes: {},
    droppedAttributes: 0,
  }
}

const spellings: [string, Record<string, unknown>][] = [
  ['ours', { 'user.id': 'ann', 'session.id': 's-1', 'property.User-Type': 'paid' }],
  ['the conventions of old', { 'enduser.id': 'ann', 'gen_ai.conversation.id': 's-1', 'property.user_type': 'paid' }],
  [
    'OpenLLMetry',
    {
      'traceloop.association.properties.user_id': 'ann',
      'traceloop.association.properties.session_id': 's-1',
      'traceloop.association.properties.USER TYPE': 'paid',
    },
  ],
  [
    'Helicone through OpenLLMetry',
    {
      'traceloop.association.properties.Helicone-User-Id': 'ann',
      'traceloop.association.properties.Helicone-Session-Id': 's-1',
      'traceloop.association.properties.Helicone-Property-User-Type': 'paid',
    },
  ],
  [
    'the AI SDK',
    {
      'ai.telemetry.metadata.userId': 'ann',
      'ai.telemetry.metadata.sessionId': 's-1',
      'ai.telemetry.metadata.userType': 'x',
      'ai.telemetry.metadata.user_type': 'paid',
    },
  ],
  ['Langfuse', { 'langfuse.user.id': 'ann', 'langfuse.session.id': 's-1', 'langfuse.trace.metadata.user-type': 'paid' }],
]

it.each(spellings)('reads user, session and property as %s writes them', (_who, attributes) => {
  const call = readCall(span(attributes), 'otlp')
  expect([call?.user, call?.session, call?.properties.get('user_type')?.value]).toEqual(['ann', 's-1', 'paid'])
})

it('takes what the app says most plainly before what a library says', () => {
  const call = readCall(
    span({ 'property.plan': 'pro', 'traceloop.association.properties.plan': 'free', 'user.id': 'ann', 'langfuse.user.id': 'bob' }),
    'otlp',
  )
  expect([call?.user, call?.properties.get('plan')?.value]).toEqual(['ann', 'pro'])
})

it('reads cached tokens under each of their names, and they come off the input', () => {
  for (const name of ['gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.cache_read_input_tokens', 'gen_ai.usage.input_cached_tokens']) {
    const call = readCall(span({ [name]: 4 }), 'otlp')
    expect([call?.usage?.inputTokens, call?.usage?.cacheReadTokens]).toEqual([6, 4])
  }
})
