import { rmSync } from 'node:fs'

import { openStore } from '@spanledger/store'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { readColumnMap, targets } from '../src/import/column-map.ts'
import { localTimes } from '../src/import/read-time.ts'
import { csvSource, langfuseSource } from '../src/import/sources.ts'
import { contentsOf, fileOf, folder, helicone, heliconeRequest, importInto, lines, newLedger, type OpenSource } from './import-kit.ts'

afterAll(() => rmSync(folder, { recursive: true }))

const times = { zone: localTimes('UTC'), zoneName: 'UTC' }
const langfuse: OpenSource = (file) => langfuseSource(file, times)
const names = Object.keys(targets)
const table: OpenSource = (file) =>
  csvSource(file, {
    map: readColumnMap({ columns: [...names.map((name) => `${name}=${name}`), 'property:any=extra'].join(',') }),
    times: { format: 'auto', zone: times.zone },
    zoneName: 'UTC',
    delimiter: ',',
    provider: undefined,
    counting: {},
  })

const heliconeFields = [
  ...Object.keys(heliconeRequest()),
  'response_body',
  'request_body',
  'cost',
  'scores',
  'feedback_rating',
  'feedback_created_at',
  'prompt_cache_read_tokens',
  'prompt_cache_write_tokens',
  'reasoning_tokens',
  'prompt_audio_tokens',
  'cache_reference_id',
  'target_url',
]
const langfuseFields = [
  'id',
  'traceId',
  'type',
  'startTime',
  'endTime',
  'latency',
  'timeToFirstToken',
  'completionStartTime',
  'model',
  'modelParameters',
]
const moreLangfuseFields = [
  'usage',
  'usageDetails',
  'costDetails',
  'level',
  'statusMessage',
  'parentObservationId',
  'userId',
  'sessionId',
  'tags',
  'observations',
  'data',
  'metadata',
]

const texts = [
  '',
  '-1',
  '1.5',
  '1e300',
  'NaN',
  'null',
  '2026-01-05T10:00:00Z',
  '1767607200',
  '[]',
  '{"usage":{"prompt_tokens":-1}}',
  '__proto__',
  '\ud800',
  'a\u0000b',
  'x'.repeat(2000),
]
const numbers = [-1, -0, 0, 0.5, 1e21, 1e308, Number.MAX_SAFE_INTEGER, 1767607200, 1767607200250]
const bodies: readonly unknown[] = [
  { object: 'response', usage: { input_tokens: '5' }, output: 3 },
  { object: 'chat.completion', choices: [null], usage: [] },
  { type: 'message', usage: { input_tokens: 5, iterations: [{}, null] } },
  { usageMetadata: { promptTokenCount: -5 } },
  { usage: { inputTokens: {} }, output: {} },
  { _type: 'tool' },
  { 'Helicone-Session-Id': 5, __proto__: null, constructor: 'x', '': 'y' },
]
const anything = fc.oneof(fc.constantFrom(...texts), fc.constantFrom(...numbers), fc.constantFrom(...bodies), fc.jsonValue({ maxDepth: 3 }))
const record = (fields: readonly string[], base: object): fc.Arbitrary<object> =>
  fc.dictionary(fc.constantFrom(...fields), anything, { maxKeys: 6 }).map((more) => Object.assign({}, base, more))

describe('whatever stands in the fields of a record, an import goes on to the end of the file, and the ledger agrees with itself', () => {
  const last = '2026-02-01T00:00:00.000Z'

  async function check(content: string, open: OpenSource, ending: string, records: number): Promise<void> {
    const store = await openStore({ path: newLedger() })
    const path = fileOf(content, ending)
    const tally = await importInto(store, path, { open })
    expect(tally.records).toBe(records)
    const contents = await contentsOf(store)
    expect(contents.calls.at(-1)).toMatchObject({ start: last, user: 'the last' })
    expect(await store.verify()).toMatchObject({ ok: true })
    expect(await importInto(store, path, { open })).toMatchObject({ imported: 0, events: 0 })
    expect(await contentsOf(store)).toEqual(contents)
    await store.close()
  }

  it('of Helicone', async () => {
    const good = heliconeRequest({ request_id: 'last', request_created_at: last, request_user_id: 'the last' })
    const hostile = record(heliconeFields, heliconeRequest({ request_created_at: '1767607200' }))
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 20 }), (some) =>
        check(lines([...some, good]), helicone, '.jsonl', some.length + 1),
      ),
      { numRuns: 25 },
    )
  })

  it('of Langfuse', async () => {
    const base = {
      id: 'aaaaaaaaaaaaaaaa',
      traceId: '5b8efff798038103d269b633813fc60c',
      type: 'GENERATION',
      startTime: '1767607200',
      model: 'gpt-4o',
      usageDetails: { input: 5 },
    }
    const good = { ...base, id: 'last', traceId: 'last', startTime: last, userId: 'the last' }
    await fc.assert(
      fc.asyncProperty(fc.array(record([...langfuseFields, ...moreLangfuseFields], base), { minLength: 1, maxLength: 20 }), (some) =>
        check(lines([...some, good]), langfuse, '.jsonl', some.length + 1),
      ),
      { numRuns: 25 },
    )
  })

  it('of any table', async () => {
    const columns = [...names, 'extra']
    const quoted = (value: unknown): string =>
      `"${(typeof value === 'string' ? value : JSON.stringify(value)).toWellFormed().replaceAll('"', '""')}"`
    const row = (cells: Readonly<Record<string, unknown>>): string => columns.map((name) => quoted(cells[name] ?? '')).join(',')
    const good = row({ time: last, user: 'the last', id: 'last' })
    const hostile = fc
      .dictionary(fc.constantFrom(...columns), anything, { maxKeys: 10 })
      .map((cells) => row({ time: '1767607200', ...cells }))
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 20 }), (some) =>
        check([columns.join(','), ...some, good].join('\n'), table, '.csv', some.length + 1),
      ),
      { numRuns: 25 },
    )
  })
})

it('what an import that is interrupted notes in the ledger holds no text of the records', async () => {
  const store = await openStore({ path: newLedger() })
  const request = heliconeRequest()
  const text = `{"a": a secret question}\n${lines([heliconeRequest({ request_created_at: 'a secret answer' }), request, heliconeRequest({ request_id: '2' })])}`
  const tally = await importInto(store, fileOf(text), { batch: 3, stopAfter: 1 })
  expect(tally).toMatchObject({ records: 3, refused: 2 })
  const marks = await store.all<{ value: string }>("SELECT value FROM meta WHERE key LIKE 'mark:import:%'")
  expect(marks).toHaveLength(1)
  expect(marks[0]?.value).toContain('"line":2')
  expect(marks[0]?.value).not.toContain('secret')
  await store.close()
})
