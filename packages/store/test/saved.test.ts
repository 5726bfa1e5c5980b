import { describe, expect, it } from 'vitest'

import { openStore, type Store, type WrittenCall } from '../src/index.ts'
import { call, contents, flatPrices, tokens } from './calls.ts'

const hit = (n: number, more: Partial<WrittenCall> = {}): WrittenCall => call({ n, cacheHit: true, usage: tokens(100, 20), ...more })

async function ledger(...batches: (readonly WrittenCall[])[]): Promise<Store> {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  for (const calls of batches) await store.write({ calls })
  expect(await store.verify()).toMatchObject({ ok: true })
  return store
}

const saved = (store: Store): Promise<unknown[]> =>
  store.all('SELECT saved_tokens AS tokens, saved_cost_nano_usd AS cost, usage FROM saved_calls ORDER BY start_ms')

describe('a cache hit', () => {
  it('is a request that cost nothing and used nothing; what it saved stands apart', async () => {
    const store = await ledger([hit(1), call({ n: 2, usage: tokens(7, 3) })])
    expect(
      await store.all('SELECT cost_nano_usd AS cost, input_tokens AS input, output_tokens AS output FROM llm_calls ORDER BY start_ms'),
    ).toEqual([
      { cost: 0, input: 0, output: 0 },
      { cost: 10, input: 7, output: 3 },
    ])
    expect((await contents(store)).users).toMatchObject([
      { requests: 2, unpriced_requests: 0, cost_nano_usd: 10, input_tokens: 7, output_tokens: 3 },
      { requests: 2, unpriced_requests: 0, cost_nano_usd: 10, input_tokens: 7, output_tokens: 3 },
    ])
    expect(await saved(store)).toEqual([{ tokens: 120, cost: 120, usage: '{"input_tokens":100,"output_tokens":20}' }])
    await store.close()
  })

  it('of a model without a price costs nothing all the same, and what it saved is unknown', async () => {
    const store = await ledger([hit(1, { model: 'unknown' }), hit(2, { usage: undefined, usageQuality: 'missing' })])
    expect(await store.all('SELECT cost_nano_usd AS cost, price FROM llm_calls JOIN prices USING (price_id)')).toEqual([
      { cost: 0, price: '{"cacheHit":true}' },
      { cost: 0, price: '{"cacheHit":true}' },
    ])
    expect(await saved(store)).toEqual([
      { tokens: 120, cost: null, usage: '{"input_tokens":100,"output_tokens":20}' },
      { tokens: 0, cost: null, usage: '{}' },
    ])
    await store.close()
  })

  it('counts once however often it comes, and a call that came without the mark stays what it was', async () => {
    const store = await ledger([hit(1)], [hit(1)], [call({ n: 2 })], [hit(2)], [hit(3)], [call({ n: 3 })])
    expect(await store.all('SELECT cost_nano_usd AS cost FROM llm_calls ORDER BY start_ms')).toEqual([
      { cost: 0 },
      { cost: 110 },
      { cost: 0 },
    ])
    expect(await saved(store)).toHaveLength(2)
    await store.close()
  })

  it('with the response id of the answer that was cached is no copy of that call, in either order', async () => {
    const trace = 'a'.repeat(32)
    const first = call({ n: 1, traceId: trace, responseId: 'r1', settled: false })
    const again = hit(2, { traceId: trace, responseId: 'r1', settled: false })
    for (const batches of [[[first, again]], [[first], [again]], [[again], [first]]]) {
      const store = await ledger(...batches)
      expect(await store.all('SELECT counted, cost_nano_usd AS cost FROM llm_calls ORDER BY start_ms')).toEqual([
        { counted: 1, cost: 110 },
        { counted: 1, cost: 0 },
      ])
      await store.close()
    }
  })

  it('without usage below a wrapper that repeats the usage of the cached answer makes the wrapper a wrapper', async () => {
    const trace = 'a'.repeat(32)
    const id = (n: number): string => n.toString(16).padStart(16, '0')
    const wrapper = call({ n: 1, traceId: trace, spanId: id(1), settled: false })
    const inner = hit(2, { traceId: trace, spanId: id(2), parentSpanId: id(1), settled: false, usage: undefined, usageQuality: 'missing' })
    const store = await ledger([wrapper, inner])
    expect(await store.all('SELECT counted, cost_nano_usd AS cost FROM llm_calls ORDER BY start_ms')).toEqual([
      { counted: 0, cost: 110 },
      { counted: 1, cost: 0 },
    ])
    await store.close()
  })

  it('stays free when calls are priced anew, and its loss is found by verify', async () => {
    const store = await ledger([hit(1)])
    expect(await store.reprice()).toMatchObject({ callsRead: 1, callsRewritten: 0 })
    await store.all('DELETE FROM saved_calls')
    expect((await store.verify()).checks.find(({ name }) => name === 'cache hits')).toMatchObject({ ok: false })
    await store.close()
  })
})
