import { afterAll, beforeAll, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { columnDimensions, metricNames, openAnalytics, otherDimensions, reportList, type Analytics } from '../src/index.ts'
import { ledgerOf } from './ledger.ts'

let store: Store
let analytics: Analytics
beforeAll(async () => {
  store = await ledgerOf([{ at: '2026-01-05T10:00:00Z', user: 'ada', properties: { 'Plan Name': 'pro' } }])
  analytics = openAnalytics(store, { now: () => Date.parse('2026-01-10T00:00:00Z') })
})
afterAll(() => store.close())

it.each(reportList.filter(({ about }) => about !== 'sections'))(
  'the report $name says what each of its columns is',
  async ({ name, about, isOfOwnTime }) => {
    const compare = about === 'calls' ? 'previous' : undefined
    const options = name === 'tiers' ? { tiers: '{}' } : name === 'funnel' ? { steps: 'first_request, first_success' } : {}
    const by = name === 'properties' || name === 'bias' ? ['property:plan_name'] : undefined
    const last = isOfOwnTime ? undefined : '2d'
    const params = { explain: true, last, compare, options, by, user: name === 'user' ? 'ada' : undefined } as const
    const { columns, definitions = [] } = await analytics.report(name, params)
    expect(definitions.map(({ key, label, type }) => ({ key, label, type }))).toEqual(columns)
    expect(definitions.filter(({ says }) => says.length < 8)).toEqual([])
  },
)

it('a query says what each dimension and metric is', async () => {
  const by = [...Object.keys(columnDimensions), ...Object.keys(otherDimensions)].filter((name) => name !== 'property:KEY')
  for (const name of by) {
    const { definitions = [] } = await analytics.query({ metrics: ['requests'], by: [name], explain: true })
    expect(definitions.map(({ says }) => says.length > 8)).toEqual([true, true])
  }
  const { definitions = [] } = await analytics.query({ metrics: metricNames, explain: true })
  expect(definitions.map(({ key }) => key)).toEqual(metricNames)
})

it('a property is defined by its name as the app spells it', async () => {
  const { definitions } = await analytics.query({ metrics: ['requests'], by: ['property:PLAN-NAME'], explain: true })
  expect(definitions?.[0]).toEqual({
    key: 'plan_name',
    label: 'Plan Name',
    type: 'string',
    says: 'the call\'s property "Plan Name"; (none) for calls without it',
  })
})

it('nobody who did not ask is told', async () => {
  expect(Object.keys(await analytics.report('models', {}))).not.toContain('definitions')
})
