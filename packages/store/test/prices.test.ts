import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { PriceBookError } from '@spanledger/pricing'
import { afterAll, expect, it } from 'vitest'

import { openStore } from '../src/index.ts'
import { call, tokens } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-prices-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('keeps beside each call the price it was costed with, or why it has none', async () => {
  const store = await openStore({ path: ':memory:' })
  await store.write({
    calls: [
      call({ n: 1, usage: tokens(1_000_000, 0) }),
      call({ n: 2, model: 'no-such-model', requestedModel: 'no-such-model' }),
      call({ n: 3, usage: undefined, usageQuality: 'missing' }),
    ],
  })
  const rows = await store.all<{ cost_nano_usd: number | null; price: string }>(
    'SELECT cost_nano_usd, price FROM llm_calls JOIN prices USING (price_id) ORDER BY start_ms',
  )
  expect(rows.map(({ cost_nano_usd, price }) => [cost_nano_usd, JSON.parse(price)])).toMatchObject([
    [150_000_000, { provider: 'openai', model: 'gpt-4o-mini', usdPerMillion: { inputTokens: '0.15' } }],
    [null, { unpriced: 'unknown_model' }],
    [null, { unpriced: 'no_usage' }],
  ])
  await store.close()
})

it('takes prices of the user from a file, and refuses one that says nothing usable when it is opened', async () => {
  const prices = join(folder, 'prices.json')
  writeFileSync(
    prices,
    JSON.stringify({ prices: [{ provider: 'openai', model: 'gpt-4o-mini', usdPerMillion: { inputTokens: '1', outputTokens: '2' } }] }),
  )
  const store = await openStore({ path: ':memory:', pricesPath: prices })
  await store.write({ calls: [call({ usage: tokens(1_000_000, 0) })] })
  expect(await store.all('SELECT cost_nano_usd FROM llm_calls')).toEqual([{ cost_nano_usd: 1_000_000_000 }])
  await store.close()
  writeFileSync(prices, '{')
  await expect(openStore({ path: ':memory:', pricesPath: prices })).rejects.toThrow(PriceBookError)
})

it('keeps what the provider said a call cost beside what it costs, and never in its place: not when it says 0, nor where there is no price', async () => {
  const store = await openStore({ path: ':memory:' })
  await store.write({
    calls: [
      call({ n: 1, usage: tokens(1_000_000, 0), reportedCostNanoUsd: 7 }),
      call({ n: 2, usage: tokens(1_000_000, 0), reportedCostNanoUsd: 0 }),
      call({ n: 3, model: 'no-such-model', requestedModel: 'no-such-model', reportedCostNanoUsd: 7 }),
    ],
  })
  expect(await store.all('SELECT cost_nano_usd AS cost, reported_cost_nano_usd AS reported FROM llm_calls ORDER BY start_ms')).toEqual([
    { cost: 150_000_000, reported: 7 },
    { cost: 150_000_000, reported: 0 },
    { cost: null, reported: 7 },
  ])
  expect(await store.all('SELECT cost_nano_usd AS cost, unpriced_requests AS unpriced FROM rollup_users WHERE bucket = 20260115')).toEqual([
    { cost: 300_000_000, unpriced: 1 },
  ])
  await store.close()
})

it('charges a call that failed or was cancelled for the tokens that the provider reported, and none of them is 0 without', async () => {
  const store = await openStore({ path: ':memory:' })
  const failed = { status: 'error', errorClass: 'timeout', errorType: 'timeout' } as const
  await store.write({
    calls: [
      call({ n: 1, ...failed, usage: tokens(1_000_000, 0) }),
      call({ n: 2, status: 'cancelled', usage: tokens(1_000_000, 0) }),
      call({ n: 3, ...failed, usage: undefined, usageQuality: 'missing' }),
    ],
  })
  expect(await store.all('SELECT cost_nano_usd AS cost FROM llm_calls ORDER BY start_ms')).toEqual([
    { cost: 150_000_000 },
    { cost: 150_000_000 },
    { cost: null },
  ])
  expect(
    await store.all(
      'SELECT cost_nano_usd AS cost, errors, cancelled, unpriced_requests AS unpriced FROM rollup_users WHERE bucket = 20260115',
    ),
  ).toEqual([{ cost: 300_000_000, errors: 2, cancelled: 1, unpriced: 1 }])
  await store.close()
})
