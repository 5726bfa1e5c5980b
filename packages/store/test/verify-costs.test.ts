import { usageOf } from '@spanledger/conventions'
import { openPriceBook } from '@spanledger/pricing'
import { describe, expect, it } from 'vitest'

import { openStore, type Check, type Store, type WrittenCall } from '../src/index.ts'
import { call, tokens } from './calls.ts'

/** A call that two models served, each at its own price. */
const twoModels = call({
  n: 3,
  provider: 'anthropic',
  model: 'claude-sonnet-4-5',
  requestedModel: 'claude-sonnet-4-5',
  usage: tokens(9, 3),
  parts: [
    { model: 'claude-sonnet-4-5', usage: tokens(9, 3) },
    { model: 'claude-opus-4-5', usage: usageOf({ inputTokens: 2728, outputTokens: 874, cacheReadTokens: 5 }) },
  ],
})

const calls: readonly WrittenCall[] = [
  call({ n: 1, usage: tokens(1_000_003, 777) }),
  call({ n: 2, usage: usageOf({ inputTokens: 1, cacheReadTokens: 3, outputTokens: 1, reasoningTokens: 7 }) }),
  twoModels,
  call({ n: 4, provider: 'openai', model: 'nobody-made-this', requestedModel: 'nobody-made-this' }),
  call({ n: 5, usage: undefined, usageQuality: 'missing' }),
  call({ n: 6, cacheHit: true }),
  call({ n: 7, provider: 'gcp.gemini', model: 'gemini-2.5-pro', requestedModel: 'gemini-2.5-pro', usage: tokens(300_000, 10) }),
  call({ n: 8, serviceTier: 'batch', usage: tokens(5, 5) }),
]

async function ledger(): Promise<Store> {
  const store = await openStore({ path: ':memory:' })
  await store.write({ calls })
  return store
}

async function costsOf(store: Store): Promise<Check | undefined> {
  return (await store.verify()).checks.find(({ name }) => name === 'costs')
}

const priced = 'cost_nano_usd IS NOT NULL AND cost_nano_usd > 0'

describe('verify computes the cost of each call from its tokens and the price kept with it', () => {
  it('and finds all of them right as they were written', async () => {
    const store = await ledger()
    expect(await store.all(`SELECT count(*) AS calls FROM llm_calls WHERE ${priced}`)).toEqual([{ calls: 4 }])
    expect(await costsOf(store)).toEqual({
      name: 'costs',
      ok: true,
      isDerived: false,
      detail: '8 calls cost what their tokens and the prices kept with them give',
    })
    await store.close()
  })

  it('and finds them right after re-pricing and taking that back, whatever today’s list says', async () => {
    const store = await ledger()
    const dear = { provider: 'openai', model: 'gpt-4o-mini', usdPerMillion: { inputTokens: '7.123456', outputTokens: '11' } }
    const priceBook = openPriceBook({ overrides: [dear] })
    const { repricingId, callsRewritten } = await store.reprice({ priceBook })
    expect(callsRewritten).toBeGreaterThan(0)
    expect(await costsOf(store)).toMatchObject({ ok: true })
    await store.undoRepricing(repricingId ?? 0)
    expect(await costsOf(store)).toMatchObject({ ok: true })
    await store.close()
  })

  it.each([
    [
      'a cost one nano-USD higher',
      'UPDATE llm_calls SET cost_nano_usd = cost_nano_usd + 1 WHERE start_ms % 10 = 1',
      /1 of 8 .*: 1 nano-USD too much, 0 too little/,
    ],
    [
      'costs that shrank',
      `UPDATE llm_calls SET cost_nano_usd = 1 WHERE cost_nano_usd > 1000000`,
      /of 8 .*: 0 nano-USD too much, \d{6,} too little/,
    ],
    [
      'one more and one less',
      `UPDATE llm_calls SET cost_nano_usd = cost_nano_usd + iif(start_ms % 10 = 1, 5, -5) WHERE start_ms % 10 IN (1, 3)`,
      /2 of 8 .*: 5 nano-USD too much, 5 too little/,
    ],
    ['a cost that was taken away', 'UPDATE llm_calls SET cost_nano_usd = NULL WHERE start_ms % 10 = 1', /1 of 8 .* too little/],
    [
      'a cost of a call without a price',
      'UPDATE llm_calls SET cost_nano_usd = 9 WHERE start_ms % 10 = 4',
      /1 of 8 .*: 9 nano-USD too much/,
    ],
    ['tokens', 'UPDATE llm_calls SET output_tokens = output_tokens + 1 WHERE start_ms % 10 = 2', /1 of 8 /],
    ['tokens of a part', `UPDATE llm_calls SET parts = replace(parts, '874', '87') WHERE parts IS NOT NULL`, /1 of 8 /],
    ['parts that are none', `UPDATE llm_calls SET parts = 'x' WHERE parts IS NOT NULL`, /1 of 8 /],
    ['a cache hit that costs', 'UPDATE llm_calls SET cost_nano_usd = 3 WHERE start_ms % 10 = 6', /1 of 8 .*: 3 nano-USD too much/],
    ['a price', `UPDATE prices SET price = replace(price, '"0.15"', '"0.16"')`, /of 8 /],
    ['a price that is no number', `UPDATE prices SET price = replace(price, '"0.15"', '"cheap"')`, /of 8 /],
    ['prices that are no JSON', `UPDATE prices SET price = 'x' || price_id`, /of 8 /],
  ])('and finds %s', async (_what, change, detail) => {
    const store = await ledger()
    await bend(store, change)
    expect(await costsOf(store)).toMatchObject({ ok: false, isDerived: false, detail: expect.stringMatching(detail) })
    await store.rebuildRollups()
    expect(await costsOf(store)).toMatchObject({ ok: false })
    await store.close()
  })

  it('and names the first few calls that are wrong, and how far it has come', async () => {
    const store = await ledger()
    await bend(store, 'UPDATE llm_calls SET cost_nano_usd = cost_nano_usd + 1 WHERE start_ms % 10 = 2')
    const steps: unknown[] = []
    const { checks } = await store.verify({ only: 'calls', onProgress: (progress) => steps.push(progress) })
    expect(checks.find(({ name }) => name === 'costs')?.detail).toContain(`(trace/span ${call({ n: 2 }).traceId}/${call({ n: 2 }).spanId})`)
    expect(checks.map(({ name }) => name)).not.toContain('totals')
    expect(steps).toEqual([{ done: 8, of: 8 }])
    await store.close()
  })
})

/** Somebody else's hand: `all` runs any statement. */
async function bend(store: Store, sql: string): Promise<void> {
  await store.all(sql)
}
