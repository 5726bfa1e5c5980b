import { readFileSync, rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

import { openStore } from '@spanledger/store'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { startCollector } from '../../collector/test/running.ts'
import { callAttributes, makeSpans, post, serialize } from '../../collector/test/spans.ts'
import { spansSource } from '../src/import/sources.ts'
import { contentsOf, fileOf, folder, imported, importInto, newLedger, type OpenSource } from './import-kit.ts'
import { run } from './run-command.ts'

afterAll(() => rmSync(folder, { recursive: true }))

const spans: OpenSource = (file) => Promise.resolve(spansSource(file))

/** A request of a user: the root says whose it is, an agent repeats the tokens of the two calls below it, and one is rated. */
const made = makeSpans([
  { name: 'POST /ask', attributes: { 'user.id': 'ada', 'session.id': 's-1', 'property.plan': 'pro' } },
  {
    name: 'agent',
    parent: 0,
    attributes: callAttributes({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.usage.input_tokens': 200,
      'gen_ai.usage.output_tokens': 20,
    }),
  },
  { name: 'chat', parent: 1, attributes: callAttributes() },
  { name: 'chat', parent: 1, attributes: callAttributes() },
  { name: 'spanledger.feedback', parent: 0, attributes: { 'gen_ai.evaluation.name': 'thumbs', 'gen_ai.evaluation.score.value': 1 } },
])

const line = (some: typeof made): string => `${Buffer.from(serialize.json(some)).toString()}\n`

const record = (body: string, attributes: Readonly<Record<string, string | number>>): unknown => ({
  timeUnixNano: '1767607200250000000',
  body: { stringValue: body },
  attributes: Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  })),
})
const logs = `${JSON.stringify({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'claude-code' } }] },
      scopeLogs: [
        {
          scope: { name: 'com.anthropic.claude_code.events', version: '2.0.0' },
          logRecords: [
            record('claude_code.api_request', {
              'session.id': 's-2',
              'user.id': 'ben',
              model: 'claude-sonnet-4-5',
              input_tokens: 10,
              output_tokens: 5,
              duration_ms: 1500,
            }),
            record('claude_code.user_prompt', { prompt_length: 5 }),
          ],
        },
      ],
    },
  ],
})}\n`

describe('requests in a file', () => {
  it('become what they become when they come over the wire, and the two count once', async () => {
    const { httpUrl, path, close } = await startCollector()
    await post(httpUrl ?? '', serialize.json(made), { encoding: 'json' })
    await close()
    const store = await openStore({ path })
    const wire = await contentsOf(store)
    expect(wire.calls).toMatchObject([
      { user: 'ada', session: 's-1', input_tokens: 100, origin: 'otlp', properties: '{"plan":"pro"}' },
      { user: 'ada', input_tokens: 100 },
    ])
    expect(await importInto(store, fileOf(line(made)), { open: spans })).toMatchObject({
      records: 1,
      calls: 3,
      imported: 0,
      already_there: 3,
      events: 0,
    })
    expect(await contentsOf(store)).toEqual(wire)
    await store.close()

    const { calls, users, tallies } = await imported([fileOf(line(made))], spans)
    expect({ calls, users }).toEqual({ calls: wire.calls.map((call) => Object.assign(call, { origin: 'import' })), users: wire.users })
    expect(tallies).toMatchObject([{ records: 1, calls: 3, imported: 3, repeated: 1, events: 1, refused: 0 }])
  })

  it('give the same ledger in whatever lines, files and order they come', async () => {
    const whole = await imported([fileOf(line(made))], spans)
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...made.keys()], { minLength: made.length }),
        fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
        async (order, cuts) => {
          const bounds = [0, ...cuts.sort(), made.length]
          const lines = bounds.slice(1).map((to, n) => order.slice(bounds[n], to).flatMap((at) => made[at] ?? []))
          const store = await openStore({ path: newLedger() })
          for (const some of lines) await importInto(store, fileOf(line(some)), { open: spans })
          await importInto(store, fileOf(lines.map(line).join('')), { open: spans, batch: 1 })
          expect(await contentsOf(store)).toEqual({ calls: whole.calls, users: whole.users })
          expect(await store.verify()).toMatchObject({ ok: true })
          await store.close()
        },
      ),
      { numRuns: 20 },
    )
  })

  it('may be log records, packed, several files at a time', async () => {
    const store = newLedger()
    const { code, out } = await run([
      'import',
      'spans',
      fileOf(line(made)),
      fileOf(gzipSync(logs), '.json.gz'),
      '--store',
      store,
      '--format',
      'json',
    ])
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { source: 'spans', totals: { records: 2, calls: 4, imported: 4, repeated: 1, events: 1, no_call: 0 } },
    ])
    expect(JSON.parse((await run(['report', 'users', '--store', store, '--format', 'json'])).out)).toMatchObject({
      rows: [
        { user: 'ben', requests: 1, input_tokens: 10 },
        { user: 'ada', requests: 2, input_tokens: 200 },
      ],
    })
  })

  it('with something wrong in them lose nothing else', async () => {
    const badId = line(made.slice(3, 4)).replace(/"spanId":"[0-9a-f]+"/, '"spanId":"xyz"')
    const text = `${line(made)}${badId}{"resourceMetrics":[]}\n{"a":1}\n{"resourceSpans":{}}\nnothing\n${logs.slice(0, 200)}`
    const { calls, tallies } = await imported([fileOf(text)], spans)
    expect(calls).toHaveLength(2)
    expect(tallies[0]).toMatchObject({
      records: 7,
      imported: 3,
      no_call: 1,
      refused: 5,
      refusals: [
        { reason: 'bad_span', count: 1, first: [{ line: 2, detail: 'refused_span_id' }] },
        { reason: 'no_otlp', count: 1, first: [{ line: 4 }] },
        { reason: 'no_json', count: 3, first: [{ line: 5 }, { line: 6 }, { line: 7 }] },
      ],
    })
  })

  it('are refused as a whole where the file is something else', async () => {
    const ran = await run(['import', 'spans', fileOf('a,b\n1,2\n', '.csv'), '--store', newLedger()])
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('is no JSON. Spans are read as OTLP')])
    expect((await run(['import', 'spans', fileOf('{"a":1}\n'), '--store', newLedger()])).err).toContain('Every record of')
  })

  it('keep no prompt', async () => {
    const path = newLedger()
    const store = await openStore({ path })
    const asked = makeSpans([{ name: 'chat', attributes: callAttributes({ 'gen_ai.input.messages': 'a secret question' }) }])
    await importInto(store, fileOf(line(asked)), { open: spans })
    await store.close()
    expect(readFileSync(path).includes('secret')).toBe(false)
  })
})
