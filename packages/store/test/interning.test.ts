import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, expect, it } from 'vitest'

import { openStore, type Store, type WrittenCall } from '../src/index.ts'
import { call, flatPrices } from './calls.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-interning-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A price for models called gpt-…, none for others. */
const prices = {
  ...flatPrices,
  costOf: (asked: Parameters<typeof flatPrices.costOf>[0]) =>
    flatPrices.costOf({ ...asked, model: asked.model.startsWith('gpt-') ? asked.model : 'unknown' }),
}

const MODELS = 5000
const KINDS = 2000

const ofModel = (n: number, model: string, more: Partial<WrittenCall> = {}): WrittenCall =>
  call({ n, model, requestedModel: model, ...more })

async function modelsOf(store: Store, fromN: number): Promise<unknown[]> {
  return store.all(
    'SELECT provider, requested_model AS asked, model, cost_nano_usd AS cost FROM llm_calls JOIN models USING (model_id) WHERE start_ms >= ? ORDER BY start_ms',
    call({ n: fromN }).startMs,
  )
}

it('keeps the names of 5,000 models; further ones without a price stand under "(other)", also after a restart', async () => {
  const path = join(folder, 'models.db')
  const store = await openStore({ path, priceBook: prices })
  await store.write({ calls: Array.from({ length: MODELS + 3 }, (_, n) => ofModel(n, `job-${n}`)) })
  await store.write({
    calls: [
      ofModel(6000, 'job-0'),
      ofModel(6001, 'gpt-new'),
      ofModel(6002, 'job-new'),
      ofModel(6003, 'job-new'),
      // No list knows this provider, so its name may be an invention too.
      ofModel(6004, 'any', { provider: 'made-up', usage: undefined, usageQuality: 'missing' }),
    ],
  })
  const named = (model: string, provider = 'openai', cost: number | null = null): unknown => ({ provider, asked: model, model, cost })
  expect(await modelsOf(store, MODELS - 1)).toEqual([
    named(`job-${MODELS - 1}`),
    named('(other)'),
    named('(other)'),
    named('(other)'),
    named('job-0'),
    named('gpt-new', 'openai', 110),
    named('(other)'),
    named('(other)'),
    named('(other)', '(other)'),
  ])
  expect(await store.counters()).toEqual(new Map([['models_over_limit', 5]]))
  await store.close()

  const again = await openStore({ path, priceBook: prices })
  await again.write({ calls: [ofModel(7000, 'job-new'), ofModel(7001, 'job-newer'), ofModel(7002, 'job-1')] })
  expect(await modelsOf(again, 7000)).toEqual([named('(other)'), named('(other)'), named('job-1')])
  expect(await again.all('SELECT count(*) AS n FROM models')).toEqual([{ n: MODELS + 3 }])
  expect(await again.verify()).toMatchObject({ ok: true })
  await again.close()
})

it('keeps 2,000 combinations of the words of emitters; in further ones the words are "(other)", what they were read as stays', async () => {
  const store = await openStore({ path: ':memory:', priceBook: prices })
  const failed = (n: number, more: Partial<WrittenCall> = {}): WrittenCall =>
    call({ n, status: 'error', errorClass: 'server_error', errorType: `E${n}`, finishReason: undefined, model: 'gpt-4o', ...more })
  await store.write({ calls: Array.from({ length: KINDS }, (_, n) => failed(n)) })
  await store.write({
    calls: [
      failed(3000),
      failed(3001, { operation: 'made-up', finishReason: 'stop' }),
      failed(3002, { serviceTier: 'flex' }),
      failed(3003, { serviceTier: 'flex', model: 'unpriced' }),
      failed(5),
      failed(3004, { errorType: 'E7' }),
    ],
  })
  const found = await store.all<Record<string, unknown>>(
    `SELECT operation, status, error_class, error_type, finish_reason, service_tier FROM llm_calls JOIN kinds USING (kind_id) WHERE start_ms >= ? ORDER BY start_ms`,
    call({ n: 3000 }).startMs,
  )
  const words = (operation: string, errorType: string, finishReason: string, tier: string): unknown => ({
    operation,
    status: 'error',
    error_class: 'server_error',
    error_type: errorType,
    finish_reason: finishReason,
    service_tier: tier,
  })
  expect(found).toEqual([
    words('chat', '(other)', '', ''),
    words('(other)', '(other)', '(other)', ''),
    words('chat', '(other)', '', 'flex'),
    words('chat', '(other)', '', '(other)'),
    words('chat', 'E7', '', ''),
  ])
  expect(await store.counters()).toEqual(
    new Map([
      ['duplicate_calls', 1],
      ['kinds_over_limit', 4],
    ]),
  )
  await store.close()
})
