import type { Store } from '@spanledger/store'
import { afterEach, expect, it } from 'vitest'

import { openAnalytics, type Query } from '../../src/index.ts'
import { eventOf } from '../events.ts'
import { ledgerOf } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function ask(query: Query): Promise<{ rows: unknown[][]; totals: object; warnings: readonly string[] }> {
  const store = await ledgerOf([
    { at: '2026-01-01T10:00:00Z', user: 'ada', costNanoUsd: 1 },
    { at: '2026-01-03T10:00:00Z', user: 'ada', costNanoUsd: 2 },
    { at: '2026-01-05T10:00:00Z', user: 'ada', costNanoUsd: 4 },
    { at: '2026-01-03T10:00:00Z', user: 'bob', costNanoUsd: 8 },
    { at: '2026-01-03T10:00:00Z', costNanoUsd: 16 },
  ])
  open.push(store)
  const exposed = (user: string | undefined, at: string, outcome: string, name = 'new_chat_ui') =>
    eventOf({ at, kind: 'exposed', user, says: { 'experiment.key': name, 'experiment.variant': outcome } })
  await store.write({
    calls: [],
    events: [
      exposed('ada', '2026-01-04T00:00:00Z', 'control'),
      exposed('ada', '2026-01-02T00:00:00Z', 'new'),
      exposed('bob', '2026-01-03T10:00:00Z', 'control'),
      exposed(undefined, '2026-01-01T00:00:00Z', 'new'),
      exposed('bob', '2026-01-01T00:00:00Z', 'big', 'buttons'),
    ],
  })
  const { columns, rows, totals, meta } = await openAnalytics(store, { now: () => Date.parse('2026-02-01T00:00:00Z') }).query(query)
  return { rows: rows.map((row) => columns.map(({ key }) => row[key])), totals, warnings: meta.warnings }
}

it('experiment:NAME splits calls by the variant that their user was exposed to first, from then on', async () => {
  const { rows, totals } = await ask({
    metrics: ['cost_usd', 'requests', 'users'],
    by: ['experiment:new_chat_ui'],
    order_by: [['cost_usd', 'asc']],
  })
  expect(rows).toEqual([
    ['new', '0.000000006', 2, 1],
    ['control', '0.000000008', 1, 1],
    ['(none)', '0.000000017', 2, 1],
  ])
  expect(totals).toEqual({ cost_usd: '0.000000031', requests: 5, users: 2 })
})

it('two experiments split together, and a filter may name one', async () => {
  const by = ['experiment:new_chat_ui', 'experiment:buttons']
  const { rows } = await ask({ metrics: ['requests'], by, where: 'experiment:new_chat_ui in (new, control)' })
  expect(rows).toEqual([
    ['new', '(none)', 2],
    ['control', 'big', 1],
  ])
  expect((await ask({ metrics: ['requests'], by: ['user'], where: 'missing experiment:buttons' })).rows).toEqual([
    ['ada', 3],
    ['(none)', 1],
  ])
})

it('an experiment that nobody was exposed to is all (none), and a warning says so', async () => {
  const { rows, warnings } = await ask({ metrics: ['requests'], by: ['experiment:nwe'] })
  expect(rows).toEqual([['(none)', 5]])
  expect(warnings).toEqual(['nobody was exposed to experiment "nwe"; spanledger report experiments lists those there are'])
  await expect(ask({ metrics: ['requests'], by: ['experiment:'] })).rejects.toThrow('Name an experiment')
})

it('prompt is the property of that name', async () => {
  const store = await ledgerOf([
    { at: '2026-01-01T10:00:00Z', user: 'ada', properties: { Prompt: 'greeting' } },
    { at: '2026-01-01T11:00:00Z', user: 'ada' },
  ])
  open.push(store)
  const { rows } = await openAnalytics(store, { now: () => Date.parse('2026-02-01T00:00:00Z') }).query({
    metrics: ['requests'],
    by: ['prompt'],
  })
  expect(rows).toEqual([
    { prompt: '(none)', requests: 1 },
    { prompt: 'greeting', requests: 1 },
  ])
})
