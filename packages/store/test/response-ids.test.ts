import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'

import { openStore, type Batch, type Store, type WrittenCall } from '../src/index.ts'
import { call, contents, flatPrices, tokens } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-response-ids-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(folder, `${files++}.db`)

const ANSWER = 'chatcmpl-AbCdEfGhIjKlMnOp'

/** As the processor in an app writes a call that stands alone in its trace. */
const ofApp = (n: number, more: Partial<WrittenCall> = {}): WrittenCall => call({ n, responseId: ANSWER, ...more })
/** As a collector or an import does. */
const ofOther = (n: number, more: Partial<WrittenCall> = {}): WrittenCall =>
  call({ n, responseId: ANSWER, origin: 'otlp', settled: false, ...more })
/** Shows that calls come from outside too. */
const opening: Batch = { calls: [ofOther(99_999, { responseId: 'chatcmpl-of-somebody-else' })] }

async function counted(...batches: readonly (readonly WrittenCall[])[]): Promise<number[]> {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  await store.write(opening)
  for (const calls of batches) await store.write({ calls })
  expect(await store.verify()).toMatchObject({ ok: true })
  const rows = await store.all<{ n: number }>(
    'SELECT start_ms - ? AS n FROM llm_calls WHERE counted = 1 AND start_ms < ? ORDER BY 1',
    call({ n: 0 }).startMs,
    call({ n: 9999 }).startMs,
  )
  await store.close()
  return rows.map(({ n }) => n)
}

describe('one answer that is reported in several traces counts once', () => {
  it('by an app and by its gateway, whichever comes first, and the earlier of them counts', async () => {
    const [app, gateway] = [ofApp(1), ofOther(2, { user: undefined })]
    for (const batches of [[[app, gateway]], [[app], [gateway]], [[gateway], [app]]]) expect(await counted(...batches)).toEqual([1])
    expect(await counted([ofApp(4)], [ofOther(3)])).toEqual([3])
  })

  it('for the user whom one of them names, though the clock of the other is ahead', async () => {
    const [app, gateway] = [ofApp(2), ofOther(1, { user: undefined })]
    for (const batches of [[[app, gateway]], [[app], [gateway]], [[gateway], [app]]]) expect(await counted(...batches)).toEqual([2])
  })

  it('by whoever reports its usage, be it later', async () => {
    expect(await counted([ofApp(1, { usage: undefined, usageQuality: 'missing' })], [ofOther(2)])).toEqual([2])
  })

  it('by 19 lines of a transcript (F6)', async () => {
    const lines = Array.from({ length: 19 }, (_, n) => ofOther(n + 1, { origin: 'import' }))
    expect(await counted(lines)).toEqual([1])
    expect(await counted(...lines.toReversed().map((line) => [line]))).toEqual([1])
  })

  it('by the leaf of a trace: what a wrapper repeats is no report of its own', async () => {
    const id = (n: number): string => n.toString(16).padStart(16, '0')
    const traceId = 'a'.repeat(32)
    const wrapper = ofOther(1, { traceId, spanId: id(1) })
    const leaf = ofOther(5, { traceId, spanId: id(2), parentSpanId: id(1) })
    const elsewhere = ofOther(3)
    for (const batches of [[[wrapper, leaf, elsewhere]], [[wrapper], [elsewhere], [leaf]], [[elsewhere], [wrapper], [leaf]]]) {
      expect(await counted(...batches)).toEqual([3])
    }
  })
})

describe('answers count each', () => {
  it('with one id one after the other: what a cache or a replay gives again', async () => {
    const later = call({ n: 0 }).startMs + 1000
    expect(await counted([ofOther(0)], [ofApp(5, { startMs: later })])).toEqual([0, 1000])
    expect(await counted([ofOther(0)], [ofApp(5, { startMs: later - 1 })])).toEqual([0])
    // A span that only says when the answer was there.
    expect(await counted([ofOther(0)], [ofOther(5, { startMs: later, durationMs: 0 })])).toEqual([0])
  })

  it('with one id of two providers', async () => {
    expect(await counted([ofOther(1), ofOther(2, { provider: 'anthropic' })])).toEqual([1, 2])
  })

  it('with one id of two users: each is charged for what is said of him', async () => {
    expect(await counted([ofApp(1)], [ofOther(2, { user: 'bob' })], [ofOther(0, { user: undefined })])).toEqual([1, 2])
  })

  it('with an id so short that it comes again', async () => {
    expect(await counted([ofOther(1, { responseId: 'chatcmpl-123' }), ofOther(2, { responseId: 'chatcmpl-123' })])).toEqual([1, 2])
  })

  it('with an id that more than 100 spans have: a stand-in that always says the same, also of those that were taken for one before', async () => {
    const calls = Array.from({ length: 101 }, (_, n) => ofOther(n + 1))
    expect(await counted(calls.slice(0, 100))).toEqual([1])
    expect(await counted(calls)).toHaveLength(101)
    expect(await counted(calls.slice(0, 60), calls.slice(60), [ofOther(200)])).toHaveLength(102)
  })
})

it('costs an app that writes alone nothing: its calls are remembered only while calls come from outside too', async () => {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  const remembered = async (): Promise<unknown> => (await store.all<{ n: number }>('SELECT count(*) AS n FROM trace_spans'))[0]?.n
  await store.write({ calls: [ofApp(1)] })
  expect(await remembered()).toBe(0)
  await store.write(opening)
  await store.write({ calls: [ofApp(2), ofApp(3, { responseId: undefined })] })
  expect(await remembered()).toBe(2)
  await store.close()
})

const randomSpan = fc.record({
  fromApp: fc.boolean(),
  trace: fc.integer({ min: 0, max: 2 }),
  parent: fc.integer({ min: 0, max: 6 }),
  role: fc.constantFrom('call' as const, 'call' as const, 'aggregate' as const),
  failed: fc.boolean(),
  user: fc.constantFrom(undefined, 'ann', 'bob'),
  durationMs: fc.constantFrom(0, 1, 3, 1000),
  responseId: fc.constantFrom(undefined, 'r1', ANSWER, ANSWER, 'msg_another-long-answer-id'),
  provider: fc.constantFrom('openai', 'openai', 'anthropic'),
})

type RandomSpan = typeof randomSpan extends fc.Arbitrary<infer T> ? T : never

/** Calls of apps stand alone in their traces; the others have parents before them. */
function toCall({ fromApp, trace, parent, role, failed, ...rest }: RandomSpan, n: number): WrittenCall {
  const id = (of: number): string => (of + 1).toString(16).padStart(16, '0')
  const usage = failed ? undefined : tokens(n + 1, 1)
  const base = { n: n + 1, spanId: id(n), usage, usageQuality: failed ? ('missing' as const) : ('reported' as const), ...rest }
  if (fromApp) return call({ ...base, traceId: (n + 100).toString(16).padStart(32, 'a') })
  return call({
    ...base,
    role,
    traceId: trace.toString(16).padStart(32, '0'),
    parentSpanId: parent < n ? id(parent) : undefined,
    origin: 'otlp',
    settled: false,
  })
}

async function writtenAs(path: string, batches: readonly (readonly WrittenCall[])[]): Promise<Store> {
  for (const calls of batches) {
    const store = await openStore({ path, priceBook: flatPrices })
    await store.write({ calls })
    await store.close()
  }
  return openStore({ path, priceBook: flatPrices })
}

it('comes out the same in any order, any batches, with repeats, across restarts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(randomSpan, { minLength: 1, maxLength: 8 }),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2 })), { minLength: 8, maxLength: 14 }),
      async (shapes, order) => {
        const calls = shapes.map(toCall)
        const paths = [newPath(), newPath()] as const
        const once = await writtenAs(paths[0], [opening.calls, calls])
        const shuffled = order.map(([key, part], n) => ({ key, part, one: calls[n % calls.length] })).sort((a, b) => a.key - b.key)
        const parts = [0, 1, 2].map((part) => shuffled.filter((some) => some.part === part).flatMap(({ one }) => one ?? []))
        const often = await writtenAs(paths[1], [opening.calls, ...parts, calls])
        expect(await contents(often)).toEqual(await contents(once))
        expect(await often.verify()).toMatchObject({ ok: true })
        await once.close()
        await often.close()
        for (const path of paths) rmSync(path)
      },
    ),
    { numRuns: 60 },
  )
})
