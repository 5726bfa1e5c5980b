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
