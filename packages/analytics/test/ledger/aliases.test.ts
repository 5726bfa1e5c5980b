import { afterEach, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type ReportParams } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'

let store: Store
afterEach(() => store.close())

const at = '2026-01-05T10:00:00Z'

/** anon-1 is anon-2, who is ada; bob is nobody else. */
async function analyticsOf(): Promise<Analytics> {
  store = await ledgerOf(['anon-1', 'anon-2', 'ada', 'bob', undefined].map((user, n) => ({ at, user, costNanoUsd: 10 ** n })))
  await store.alias('anon-1', 'anon-2')
  await store.alias('anon-2', 'ada')
  return openAnalytics(store, { now: () => Date.parse('2026-01-10T00:00:00Z') })
}

describe('a person is found by any name', () => {
  it.each<[ReportParams, (string | null)[]]>([
    [{ user: 'anon-1' }, ['ada']],
    [{ user: ' anon-2 ' }, ['ada']],
    [{ user: 'ada' }, ['ada']],
    [{ user: '(none)' }, ['(none)']],
    [{ user: 'nobody' }, []],
    [{ user_prefix: 'anon' }, ['ada']],
    [{ user_prefix: '(' }, []],
    [{ where: 'user = anon-1' }, ['ada']],
    [{ where: 'user != anon-1' }, ['(none)', 'bob']],
    [{ where: 'user ^= anon or user = bob' }, ['bob', 'ada']],
    [{ where: 'missing user' }, ['(none)']],
  ])('%j in the users report and in others', async (params, users) => {
    const analytics = await analyticsOf()
    const { rows, totals } = await analytics.report('users', params)
    expect(rows.map(({ user }) => user)).toEqual(users)
    expect((await analytics.report('models', params)).totals['cost_usd']).toBe(totals['cost_usd'])
  })

  it('in an app, and under one name no more once the alias is taken back', async () => {
    const analytics = await analyticsOf()
    await analytics.loadUserMetrics()
    expect(['anon-1', 'anon-2', 'ada'].map((name) => analytics.getUserMetrics(name).cost_usd)).toEqual(Array(3).fill('0.000000111'))
    await store.undoAlias('anon-2', 'ada')
    await analytics.loadUserMetrics()
    expect(['anon-1', 'anon-2', 'ada'].map((name) => analytics.getUserMetrics(name).cost_usd)).toEqual([
      '0.000000011',
      '0.000000011',
      '0.000000100',
    ])
    expect((await analytics.report('users', { user: 'anon-1' })).rows.map(({ user }) => user)).toEqual(['anon-2'])
  })
})
