import { readFileSync, rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

import { attributes as names, readCall } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'
import { afterAll, describe, expect, it } from 'vitest'

import { contentsOf, fileOf, folder, heliconeRequest, imported, importInto, lines, newLedger } from './import-kit.ts'

afterAll(() => rmSync(folder, { recursive: true }))

const openaiBody = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'gpt-4o-2024-08-06',
  service_tier: 'default',
  choices: [{ finish_reason: 'stop', message: { content: 'a secret answer' } }],
  usage: {
    prompt_tokens: 100,
    completion_tokens: 20,
    total_tokens: 120,
    prompt_tokens_details: { cached_tokens: 64 },
    completion_tokens_details: { reasoning_tokens: 8 },
  },
}

async function oneCall(more: Readonly<Record<string, unknown>>): Promise<unknown> {
  const { calls } = await imported([fileOf(lines([heliconeRequest(more)]))])
  expect(calls).toHaveLength(1)
  return calls[0]
}

describe('a request of a Helicone export', () => {
  it('becomes a call with its user, session, properties, tokens and the price of its day', async () => {
    const call = await oneCall({
      request_properties: {
        'user-type': 'pro',
        'Helicone-Session-Id': 's-1',
        'Helicone-Session-Path': '/chat/first',
        'Helicone-Session-Name': 'Chat',
      },
    })
    expect(call).toMatchObject({
      start: '2026-01-05T10:00:00.250Z',
      user: 'ada',
      session: 's-1',
      provider: 'openai',
      requested_model: 'gpt-4o',
      response_model: 'gpt-4o-2024-08-06',
      operation: 'chat',
      status: 'ok',
      usage_quality: 'reported',
      origin: 'import',
      latency_ms: 900,
      ttft_ms: 200,
      // 100 x $2.50 and 20 x $10 a million.
      cost_usd: '0.000450000',
      input_tokens: 100,
      output_tokens: 20,
      properties: '{"session_name":"Chat","session_path":"/chat/first","user_type":"pro"}',
    })
  })

  it('has the tokens that its response body says, which the columns do not tell apart', async () => {
    expect(await oneCall({ response_body: openaiBody })).toMatchObject({
      input_tokens: 36,
      cache_read_tokens: 64,
      output_tokens: 12,
      reasoning_tokens: 8,
      finish_reason: 'stop',
      service_tier: 'default',
      // 36 x $2.50, 64 x $1.25, 20 x $10 a million.
      cost_usd: '0.000370000',
    })
    expect(
      await oneCall({
        provider: 'ANTHROPIC',
        request_model: 'claude-3-7-sonnet-20250219',
        response_model: null,
        request_path: 'https://api.anthropic.com/v1/messages',
        prompt_tokens: 3,
        completion_tokens: 550,
        response_body: {
          type: 'message',
          id: 'msg_1',
          model: 'claude-3-7-sonnet-20250219',
          stop_reason: 'end_turn',
          usage: { input_tokens: 3, cache_creation_input_tokens: 12304, output_tokens: 550 },
        },
      }),
    ).toMatchObject({ input_tokens: 3, cache_write_tokens: 12304, output_tokens: 550, cost_usd: '0.054399000', provider: 'anthropic' })
  })

  it('has the tokens of its columns, which do not overlap, where there is no body', async () => {
    expect(
      await oneCall({
        prompt_tokens: 36,
        prompt_cache_read_tokens: 64,
        completion_tokens: 12,
        reasoning_tokens: 8,
        prompt_cache_write_tokens: 0,
      }),
    ).toMatchObject({ input_tokens: 36, cache_read_tokens: 64, output_tokens: 12, reasoning_tokens: 8, cost_usd: '0.000370000' })
  })

  it('has no usage where every column is 0, and is counted as unpriced', async () => {
    const { calls, tallies } = await imported([fileOf(lines([heliconeRequest({ prompt_tokens: 0, completion_tokens: 0 })]))])
    expect(calls[0]).toMatchObject({ usage_quality: 'missing', input_tokens: null, cost_usd: null })
    expect(tallies[0]).toMatchObject({ imported: 1, unpriced: 1 })
  })

  it('that was answered from the cache of Helicone used and cost nothing; what its body says was saved', async () => {
    const cached = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, response_body: openaiBody }
    const zero = { input_tokens: 0, output_tokens: 0, cost_usd: '0.000000000' }
    expect(await oneCall({ ...cached, request_properties: { 'Helicone-Cache-Enabled': 'true' } })).toMatchObject(zero)
    expect(
      await oneCall({ ...cached, response_body: undefined, cache_reference_id: '0b6d0f9e-0001-4a4e-9a0a-00000000000a' }),
    ).toMatchObject(zero)
    expect(await oneCall({ ...cached, cache_reference_id: '00000000-0000-0000-0000-000000000000' })).toMatchObject({ input_tokens: 36 })
    const store = await openStore({ path: newLedger() })
    await importInto(store, fileOf(lines([heliconeRequest({ ...cached, cache_reference_id: '0b6d0f9e-0001-4a4e-9a0a-00000000000a' })])))
    // 36 x $2.50, 64 x $1.25, 20 x $10 a million.
    expect(await store.all('SELECT saved_tokens, saved_cost_nano_usd FROM saved_calls')).toEqual([
      { saved_tokens: 120, saved_cost_nano_usd: 370_000 },
    ])
    await store.close()
  })

  it('brings its rating and its scores along, once', async () => {
    const store = await openStore({ path: newLedger() })
    const rated = {
      feedback_rating: false,
      feedback_created_at: '2026-01-05T10:05:00Z',
      // As numbers, or as numbers with their type: its two databases differ.
      scores: { 'helicone-score-feedback': 0, accuracy: { value: 87, valueType: 'number' } },
    }
    const file = fileOf(lines([heliconeRequest(rated), heliconeRequest({ request_id: '2', feedback_rating: null, scores: {} })]))
    expect(await importInto(store, file)).toMatchObject({ imported: 2, events: 2, mended: {} })
    expect(await importInto(store, file)).toMatchObject({ imported: 0, events: 0 })
    const events = await store.all(
      'SELECT e.start_ms, u.name AS user, e.value, s.name, s.source, e.target_kind FROM events AS e JOIN users AS u USING (user_id) JOIN event_subjects AS s USING (subject_id) ORDER BY value',
    )
    expect(events).toMatchObject([
      { user: 'ada', name: 'thumbs', value: 0, source: 'human', start_ms: Date.UTC(2026, 0, 5, 10, 5) },
      { user: 'ada', name: 'accuracy', value: 87, source: 'heuristic' },
    ])
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('that failed has the class of its error and no cost', async () => {
    expect(
      await oneCall({
        response_status: 429,
        prompt_tokens: null,
        completion_tokens: null,
        response_model: null,
        response_body: { error: { type: 'rate_limit_exceeded' } },
      }),
    ).toMatchObject({ status: 'error', error: 'rate_limit', cost_usd: null, response_model: 'gpt-4o' })
    expect(await oneCall({ response_status: -1, prompt_tokens: 0, completion_tokens: 0 })).toMatchObject({ status: 'error' })
  })

  it('to a provider without a name is of the one at its address', async () => {
    expect(await oneCall({ provider: 'CUSTOM', request_path: 'https://api.deepseek.com/chat/completions' })).toMatchObject({
      provider: 'deepseek',
    })
    expect(await oneCall({ provider: 'CUSTOM', request_path: 'https://llm.example.com/v1/embeddings' })).toMatchObject({
      provider: 'custom',
      operation: 'embeddings',
    })
  })

  it('that logs a tool or a vector database is no call', async () => {
    const tool = heliconeRequest({ request_body: { _type: 'tool', toolName: 'weather' } })
    const { calls, tallies } = await imported([fileOf(lines([tool]))])
    expect(calls).toEqual([])
    expect(tallies[0]).toMatchObject({ records: 1, no_call: 1, imported: 0, refused: 0 })
  })

  it('leaves nothing of its bodies in the ledger', async () => {
    const path = newLedger()
    const store = await openStore({ path })
    const request = { model: 'gpt-4o', messages: [{ role: 'user', content: 'a secret question' }] }
    await importInto(store, fileOf(lines([heliconeRequest({ request_body: request, response_body: openaiBody })])))
    await store.close()
    expect(readFileSync(path).includes('secret')).toBe(false)
    expect(readFileSync(path).includes('gpt-4o')).toBe(true)
  })

  it('with a cost that Helicone says keeps it beside the computed one', async () => {
    const store = await openStore({ path: newLedger() })
    const requests = [
      heliconeRequest({ costUSD: 0.00045 }),
      heliconeRequest({ request_id: '2', costUSD: undefined, cost: 450000 }),
      heliconeRequest({ request_id: '4', costUSD: undefined, cost_usd: 2 }),
      heliconeRequest({ request_id: '3', costUSD: 0 }),
    ]
    await importInto(store, fileOf(lines(requests)))
    const rows = await store.all<{ cost: number | null }>('SELECT reported_cost_nano_usd AS cost FROM llm_calls ORDER BY cost')
    await store.close()
    expect(rows).toEqual([{ cost: null }, { cost: 450000 }, { cost: 450000 }, { cost: 2_000_000_000 }])
  })
})

describe('an export of Helicone', () => {
  const requests = [
    heliconeRequest(),
    heliconeRequest({ request_id: '2', request_created_at: '2026-01-05 11:00:00.5', request_user_id: 'bob, "the" other' }),
  ]
  const csvOf = (records: readonly Record<string, unknown>[]): string => {
    const columns = Object.keys(records[0] ?? {})
    const cell = (value: unknown): string => `"${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('"', '""')}"`
    return [columns.join(','), ...records.map((record) => columns.map((name) => cell(record[name])).join(','))].join('\r\n') + '\r\n'
  }

  it('gives the same ledger as JSON lines, as an array, as CSV, and packed', async () => {
    const expected = await imported([fileOf(lines(requests))])
    expect(expected.calls).toHaveLength(2)
    const forms = [
      fileOf(JSON.stringify(requests), '.json'),
      fileOf(JSON.stringify(requests, null, 2), '.json'),
      fileOf(csvOf(requests), '.csv'),
      fileOf(gzipSync(lines(requests)), '.jsonl.gz'),
      fileOf(gzipSync(csvOf(requests)), '.packed'),
      fileOf(`\uFEFF${csvOf(requests)}`, '.csv'),
      fileOf(`\uFEFF${lines(requests).replaceAll('\n', '\r\n')}`),
      fileOf(
        csvOf(
          requests.map(({ request_properties: properties, ...rest }) => ({
            ...rest,
            'properties.user-type': (properties as Record<string, string>)['user-type'],
          })),
        ),
        '.csv',
      ),
    ]
    for (const path of forms) expect(await imported([path])).toEqual(expected)
  })

  it('is read as its exporter writes CSV: twelve columns, no id of the request, and the quotes of JSON escaped twice', async () => {
    const columns =
      'response_id,response_created_at,response_status,request_created_at,request_body,request_properties,request_user_id,model,prompt_tokens,completion_tokens,latency,cost'
    const twice = (value: unknown): string => `"${JSON.stringify(value).replaceAll('"', '""').replaceAll('"', '""')}"`
    const row = (id: string): string =>
      [
        `"${id}"`,
        '"2026-01-05T10:00:01.150Z"',
        '"200"',
        '"2026-01-05T10:00:00.250Z"',
        twice({ model: 'gpt-4o', messages: [{ role: 'user', content: 'say "hello", please' }] }),
        twice({ 'user-type': 'pro', empty: '' }),
        '"ada"',
        '',
        '"100"',
        '"20"',
        '',
        '"0.00045"',
      ].join(',')
    const [first, second] = ['0b6d0f9e-0001-4a4e-9a0a-000000000001', '0b6d0f9e-0001-4a4e-9a0a-000000000002']
    const { calls } = await imported([fileOf(`${[columns, row(first), row(second), row(first)].join('\n')}\n`, '.csv')])
    expect(calls).toHaveLength(2)
    expect(calls[0]).toMatchObject({
      user: 'ada',
      requested_model: 'gpt-4o',
      input_tokens: 100,
      output_tokens: 20,
      properties: '{"empty":"","user_type":"pro"}',
    })
    // The same record from the JSON formats is the same call.
    const both = [
      fileOf(`${columns}\n${row(first)}\n`, '.csv'),
      fileOf(lines([heliconeRequest({ response_id: first, request_id: 'another' })])),
    ]
    expect((await imported(both)).calls).toHaveLength(1)
  })

  it('counts a call once that the app reported itself, where the body says which answer it was', async () => {
    const store = await openStore({ path: newLedger() })
    const responseId = 'chatcmpl-0123456789abcdef'
    const startMs = Date.UTC(2026, 0, 5, 10)
    const span = {
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: 'eee19b7ec3c1b174',
      parentSpanId: undefined,
      name: 'chat gpt-4o',
      // The app waits for Helicone, which waits for the provider.
      startMs,
      endMs: startMs + 2000,
      statusCode: 0,
      statusMessage: undefined,
      scopeName: '',
      scopeVersion: '',
      attributes: {
        [names.operationName]: 'chat',
        [names.providerName]: 'openai',
        [names.requestModel]: 'gpt-4o',
        [names.responseId]: responseId,
        [names.userId]: 'ada',
        [names.inputTokens]: 100,
        [names.outputTokens]: 20,
      },
      resourceAttributes: {},
      droppedAttributes: 0,
    }
    const own = readCall(span, 'otlp')
    await store.write({ calls: own === undefined ? [] : [own] })
    const tally = await importInto(store, fileOf(lines([heliconeRequest({ response_body: { ...openaiBody, id: responseId } })])))
    expect(tally).toMatchObject({ imported: 1, repeated: 1 })
    const { calls } = await contentsOf(store)
    expect(calls).toMatchObject([{ origin: 'otlp', user: 'ada' }])
    await store.close()
  })

  it('changes nothing when it comes again, with more beside it, or with bodies this time', async () => {
    const first = fileOf(lines(requests))
    const later = fileOf(
      lines(requests).replaceAll('"provider"', `"response_body":${JSON.stringify(openaiBody)},"provider"`) +
        lines([heliconeRequest({ request_id: '3' })]),
    )
    const once = await imported([first])
    const { calls, tallies } = await imported([first, first, later])
    expect(tallies).toMatchObject([
      { records: 2, imported: 2, already_there: 0 },
      { records: 2, imported: 0, already_there: 2 },
      { records: 3, imported: 1, already_there: 2 },
    ])
    expect(calls.filter((call) => once.calls.some((other) => JSON.stringify(other) === JSON.stringify(call)))).toHaveLength(2)
  })
})
