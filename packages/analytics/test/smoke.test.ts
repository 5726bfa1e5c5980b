import { it } from 'vitest'
import { openAnalytics } from '../src/index.ts'
import { ledgerOf } from './ledger.ts'
it('smoke', async () => {
  const store = await ledgerOf([
    { at: '2026-01-05T10:00:00Z', user: 'ada', session: 's', properties: { Plan: 'pro', Feature: 'chat' } },
    { at: '2026-01-06T10:00:00Z', user: 'ada', session: 's', properties: { Plan: 'pro', Feature: 'chat' } },
    { at: '2026-01-06T23:30:00Z', user: 'bob', properties: { Plan: 'free' }, costNanoUsd: undefined },
    { at: '2026-01-07T10:00:00Z', status: 'error', usage: null },
  ])
  const a = openAnalytics(store, { now: () => Date.parse('2026-01-20T00:00:00Z') })
  console.log(JSON.stringify(await a.report('users', {}), null, 1))
  console.log(JSON.stringify(await a.report('users', { last: '14d', compare: 'previous', metrics: ['requests', 'cost_usd'] }), null, 1))
  console.log(JSON.stringify(await a.report('properties', { by: ['property:plan', 'feature'] }), null, 1))
  for (const r of ['models', 'providers', 'operations', 'sessions', 'errors']) console.log(r, JSON.stringify((await a.report(r, {})).rows))
  console.log(
    JSON.stringify(
      await a.query({
        metrics: ['requests', 'users', 'latency_p95_ms'],
        by: ['plan', 'time:week'],
        where: 'plan != pro or cost_usd > 0.0000001',
      }),
    ),
  )
  await a.loadUserMetrics()
  console.log(a.getUserMetrics('ada'))
})
