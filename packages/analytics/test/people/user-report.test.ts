import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Row } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'
import { figuresOf, readPlainCalls, valueOf, type PlainCall } from '../naive.ts'
import { AS_OF, randomCalls } from '../random-ledger.ts'

let store: Store
let plain: PlainCall[]
let analytics: Analytics
beforeAll(async () => {
  store = await ledgerOf(randomCalls, { timeZone: 'Europe/Berlin' })
  plain = await readPlainCalls(store)
  analytics = openAnalytics(store, { now: () => AS_OF })
})
afterAll(() => store.close())

const figures = ['requests', 'cost_usd', 'total_tokens', 'errors', 'error_rate', 'latency_avg_ms'] as const

/** Figures of calls by something, as plain loops have them. */
function grouped(
  calls: readonly PlainCall[],
  nameOf: (call: PlainCall) => string | null,
): Map<string, { calls: PlainCall[]; last: number }> {
  const groups = new Map<string, { calls: PlainCall[]; last: number }>()
  for (const call of calls) {
    const name = nameOf(call)
    if (name === null) continue
    const group = groups.get(name) ?? { calls: [], last: 0 }
    group.calls.push(call)
    group.last = Math.max(group.last, call.startMs)
    groups.set(name, group)
  }
  return groups
}

function expectRows(rows: readonly Row[], part: string, groups: ReturnType<typeof grouped>, limit: number): void {
  const own = rows.filter((row) => row['part'] === part)
  expect(own).toHaveLength(Math.min(limit, groups.size))
  for (const row of own) {
    const expected = figuresOf(groups.get(String(row['name']))?.calls ?? [], 'Europe/Berlin')
    expect(figures.map((name) => [name, row[name]])).toEqual(figures.map((name) => [name, expected[name]]))
  }
}

describe('the report of a user', () => {
  it.each(['ada', 'Zoë 😀', '(none)'])('has the parts of %s that plain loops find', async (user) => {
    for (const params of [{}, { last: '20d' }, { where: 'latency_ms > 20000' }]) {
      const { rows, meta } = await analytics.report('user', { user, ...params })
      const [from, to] = [Date.parse(meta.from), Math.min(Date.parse(meta.to), AS_OF)]
      const calls = plain.filter(
        (call) =>
          (call.user ?? '(none)') === user &&
          call.startMs >= from &&
          call.startMs < to &&
          (!('where' in params) || call.latencyMs > 20_000),
      )
      const valueIn = (name: string) => (call: PlainCall) => valueOf(call, name, 'Europe/Berlin')
      expect(rows[0]).toMatchObject({
        part: 'user',
        name: user,
        share: 1,
        started_at: new Date(Math.min(...calls.map(({ startMs }) => startMs))).toISOString(),
        last_call_at: new Date(Math.max(...calls.map(({ startMs }) => startMs))).toISOString(),
      })
      expectRows(
        rows,
        'user',
        grouped(calls, () => user),
        1,
      )
      expectRows(rows, 'model', grouped(calls, valueIn('model')), 10)
      expectRows(
        rows,
        'feature',
        grouped(calls, (call) => valueIn('feature')(call) ?? '(none)'),
        10,
      )
      expectRows(rows, 'error', grouped(calls, valueIn('error')), 10)
      expectRows(
        rows,
        'session',
        grouped(calls, ({ session }) => session?.split('\n')[1] ?? null),
        10,
      )
      const days = grouped(calls, valueIn('time:day'))
      expectRows(rows, 'day', days, 28)
      expect(rows.flatMap(({ part, name }) => (part === 'day' ? [name] : []))).toEqual(
        [...days.keys()].toSorted().toReversed().slice(0, 28),
      )
      expect(rows.filter(({ part }) => part === 'model').reduce((sum, { share }) => sum + Number(share), 0)).toBeCloseTo(1, 9)
    }
  })

  it('is empty for somebody whom the ledger does not know, and wants a user', async () => {
    expect((await analytics.report('user', { user: 'nobody' })).rows).toEqual([])
    await expect(analytics.report('user', {})).rejects.toThrow('about one user. Say which: --user ID')
  })
})
