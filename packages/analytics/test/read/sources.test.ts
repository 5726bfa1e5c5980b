import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Store } from '@spanledger/store'
import { afterAll, describe, expect, it } from 'vitest'

import { openAnalytics, type Query } from '../../src/index.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'spanledger-analytics-'))
afterAll(() => rmSync(folder, { recursive: true }))

const calls: CallWords[] = Array.from({ length: 400 }, (_, n) => ({
  at: Date.parse('2026-01-05T01:00:00Z') + n * 7_200_000,
  user: `u${n % 9}`,
  session: `s${n % 40}`,
  properties: { plan: n % 2 === 0 ? 'pro' : 'free' },
  model: n % 3 === 0 ? 'gpt-4o' : 'gpt-4o-mini',
}))

/** The tables that a question reads calls or sums from. */
async function sourcesOf(ask: (store: Store) => Promise<unknown>): Promise<string[]> {
  const store = await ledgerOf(calls)
  const read = new Set<string>()
  const all: Store['all'] = (text, ...values) => {
    // Looks at single instants are no reading.
    if (!text.includes('EXISTS (SELECT 1 FROM llm_calls') && !text.includes('LIMIT 1')) {
      for (const [table] of text.matchAll(/rollup_\w+|llm_calls|day_\w+/g)) read.add(table)
    }
    return store.all(text, ...values)
  }
  await ask({ ...store, timeZone: store.timeZone, all })
  await store.close()
  return [...read].sort()
}

describe('a question reads', () => {
  const after = Date.parse('2026-03-01T00:00:00Z')
  const query =
    (question: Query, now = after) =>
    (store: Store): Promise<unknown> =>
      openAnalytics(store, { now: () => now }).query(question)

  it('sums by model and by user where they can tell', async () => {
    expect(await sourcesOf(query({ metrics: ['requests', 'cost_usd', 'users', 'latency_p95_ms'], by: ['time:day'] }))).toEqual([
      'rollup_models',
      'rollup_users',
    ])
    expect(await sourcesOf(query({ metrics: ['cost_usd', 'ttft_p50_ms'], by: ['model', 'time:week'] }))).toEqual([
      'rollup_models',
      'rollup_users',
    ])
    expect(await sourcesOf(query({ metrics: ['cost_usd'], by: ['user'], last: '7d' }, Date.parse('2026-02-20T13:00:00Z')))).toEqual([
      'rollup_models',
      'rollup_users',
    ])
  })

  it('the calls where only they can', async () => {
    expect(await sourcesOf(query({ metrics: ['cost_usd'], by: ['property:plan'] }))).toContain('llm_calls')
    expect(await sourcesOf(query({ metrics: ['cost_usd'], by: ['user'], where: 'latency_ms > 5' }))).toContain('llm_calls')
    expect(await sourcesOf(query({ metrics: ['cost_usd'], by: ['user'] }, Date.parse('2026-01-20T12:00:00Z')))).toContain('llm_calls')
  })

  it('groups of closed days, and the calls of what is not closed only', async () => {
    const question = { metrics: ['requests', 'users', 'cost_usd', 'latency_p95_ms'], by: ['property:plan'], where: 'plan = pro' } as const
    const closed = (now: number) => async (store: Store) => {
      await store.closeDays()
      await query(question, now)(store)
    }
    expect(await sourcesOf(closed(after))).toEqual(['day_groups', 'day_parts', 'rollup_models'])
    expect(await sourcesOf(closed(Date.parse('2026-02-01T12:00:00Z')))).toEqual(['day_groups', 'day_parts', 'llm_calls', 'rollup_models'])
  })

  it('no calls for all columns of the users report, but those of the days in which a segment window begins or ends', async () => {
    const report =
      (metrics?: string[], now = after) =>
      (store: Store) =>
        openAnalytics(store, { now: () => now }).report('users', { metrics })
    const { columns } = await openAnalytics(await ledgerOf(calls), { now: () => after }).report('users')
    const others = columns.map(({ key }) => key).filter((key) => key !== 'user' && key !== 'segment')
    expect(await sourcesOf(report(others))).toEqual(['rollup_models', 'rollup_users'])
    expect(await sourcesOf(report())).toEqual(['day_users', 'rollup_models', 'rollup_users'])
    expect(await sourcesOf(report(undefined, after + 1))).toEqual(['day_users', 'llm_calls', 'rollup_models', 'rollup_users'])
  })
})

describe('an answer', () => {
  it('is of one state of the ledger while calls are written', async () => {
    const path = join(folder, 'busy.db')
    const store = await ledgerOf(calls, { path })
    const analytics = openAnalytics(store, { now: () => Date.parse('2026-03-01T00:00:00Z') })
    const end = new AbortController()
    const writer = (async () => {
      for (let n = 0; !end.signal.aborted; n++)
        await store.write({ calls: [callOf({ at: Date.parse('2026-02-01T00:00:00Z') + n, user: `w${n % 5}` })] })
    })()
    const totals = new Set<unknown>()
    for (let n = 0; n < 25; n++) {
      for (const answer of await Promise.all([analytics.report('users', {}), analytics.report('properties', { by: ['property:plan'] })])) {
        expect(answer.rows.reduce((sum, row) => sum + Number(row['requests']), 0)).toBe(answer.totals['requests'])
        totals.add(answer.totals['requests'])
      }
    }
    end.abort()
    await writer
    expect(totals.size).toBeGreaterThan(1)
    await store.close()
  })
})
