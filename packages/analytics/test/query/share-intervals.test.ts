import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import {
  isComposite,
  metricNames,
  metricTable,
  openAnalytics,
  QueryError,
  reportList,
  type Analytics,
  type Answer,
} from '../../src/index.ts'
import { AS_OF, busyLedger, needs } from '../busy-ledger.ts'

let store: Store
let analytics: Analytics
beforeAll(async () => {
  store = await busyLedger()
  analytics = openAnalytics(store, { now: () => AS_OF })
})
afterAll(() => store.close())

/** Whose shares are of tokens, money or means, or have intervals of their own, and those that have none. */
const withoutShares = [
  'active',
  'anomalies',
  'behavior',
  'benchmark',
  'bias',
  'evolution',
  'experiments',
  'forecast',
  'nps',
  'scores',
  'segment_members',
  'thresholds',
  'tiers',
  'privacy',
]

/** The bounds by their meaning: the shares from which the one that was seen is 1.96 of their own standard errors away. */
function isBound(bound: number, { k, n }: { k: number; n: number }): boolean {
  const distance = Math.abs(k / n - bound)
  const error = Math.sqrt((bound * (1 - bound)) / n)
  return distance < 1e-9 ? error < 1e-6 || k === 0 || k === n : Math.abs(distance / error - 1.959963984540054) < 1e-6
}

/** What is wrong with the parts and bounds of the shares of an answer. */
function faultsIn({ columns, rows, totals }: Answer): string[] {
  const shares = columns.map(({ key }) => key).filter((key) => columns.some((one) => one.key === `${key}_numerator`))
  return [...rows, totals].flatMap((row) =>
    shares.flatMap((key) => {
      if (!Object.hasOwn(row, key)) return []
      const [rate, k, n, low, high] = ['', '_numerator', '_denominator', '_low', '_high'].map((part) => row[`${key}${part}`] ?? null)
      const told = `${key} ${JSON.stringify([rate, k, n, low, high])}`
      if (rate === null) return low === null && high === null && (k === null || n === 0 || n === null) ? [] : [told]
      if (typeof rate !== 'number' || typeof k !== 'number' || typeof n !== 'number') return [told]
      if (typeof low !== 'number' || typeof high !== 'number') return [told]
      const fits = Math.abs(k / n - rate) < 1e-12 && low <= rate && rate <= high && isBound(low, { k, n }) && isBound(high, { k, n })
      return fits ? [] : [told]
    }),
  )
}

describe('with ci', () => {
  const names = reportList.map(({ name }) => name).filter((name) => !isComposite(name))

  it.each(names.filter((name) => !withoutShares.includes(name)))('%s tells what each share rests on, and its bounds', async (name) => {
    const answer = await analytics.report(name, { ...needs[name], ci: true, explain: true })
    expect(answer.rows.length).toBeGreaterThan(0)
    expect(answer.columns.some(({ key }) => key.endsWith('_denominator'))).toBe(true)
    expect(faultsIn(answer)).toEqual([])
    expect(answer.definitions?.filter(({ says }) => says.length < 8)).toEqual([])
    // Beside these columns nothing is another.
    const plain = await analytics.report(name, { ...needs[name] })
    const shown = (row: Answer['rows'][number]): unknown[] => plain.columns.map(({ key }) => row[key])
    expect(answer.rows.map(shown)).toEqual(plain.rows.map(shown))
  })

  it.each(withoutShares)('%s has none, and refuses', async (name) => {
    await expect(analytics.report(name, { ...needs[name], ci: true })).rejects.toThrow(/no column of this answer is a share/)
  })

  it('a comparison has them of the period before too', async () => {
    const { rows, columns } = await analytics.report('session_metrics', { last: '40d', compare: 'previous', ci: true })
    expect(columns.map(({ key }) => key)).toContain('completion_rate_low_previous')
    const [row] = rows
    expect(Number(row?.['completion_rate_numerator_previous']) / Number(row?.['completion_rate_denominator_previous'])).toBeCloseTo(
      Number(row?.['completion_rate_previous']),
      12,
    )
  })

  it('a composite refuses, as it has several tables', async () => {
    await expect(analytics.composite('weekly', { ci: true })).rejects.toThrow(QueryError)
  })

  it('the view of adoption that has bounds anyway has them once', async () => {
    const { columns, rows } = await analytics.report('adoption', { ci: true, options: { view: 'timing' } })
    const keys = columns.map(({ key }) => key)
    expect(keys.filter((key) => key === 'retention_low')).toHaveLength(1)
    expect(keys).toContain('retention_denominator')
    expect(rows.map((row) => row['retention_denominator'])).toEqual(rows.map((row) => row['users']))
  })
})

describe('parts and bounds are metrics of every query', () => {
  const shares = metricNames.filter((name) => metricTable[name].share !== undefined)

  it('of each share, in rows, totals and the rest', async () => {
    const answer = await analytics.query({ metrics: shares, by: ['property:plan', 'time:week'], ci: true, limit: 5, other: true })
    expect(answer.rows).toHaveLength(5)
    expect(faultsIn(answer)).toEqual([])
    const values = answer.other?.values ?? {}
    expect(faultsIn({ ...answer, rows: [values] })).toEqual([])
    const listed = answer.rows.reduce((sum, row) => sum + Number(row['error_rate_numerator']), 0)
    expect(listed + Number(values['error_rate_numerator'])).toBe(answer.totals['error_rate_numerator'])
  })

  it('errors and requests are what error_rate divides', async () => {
    const metrics = ['errors', 'requests', 'error_rate_numerator', 'error_rate_denominator']
    const { rows } = await analytics.query({ metrics, by: ['user'] })
    expect(rows.length).toBeGreaterThan(10)
    expect(rows.map((row) => [row['error_rate_numerator'], row['error_rate_denominator']])).toEqual(
      rows.map((row) => [row['errors'], row['requests']]),
    )
  })

  it.each(['users', 'query by user', 'query by session'])('%s is ordered and filtered by a bound', async (what) => {
    const order_by = [['error_rate_low', 'desc']] as const
    const having = 'error_rate_low > 0.05'
    const ask = (words: { having?: string; limit?: number }): Promise<Answer> => {
      const metrics = ['requests', 'errors', 'error_rate', 'error_rate_low']
      if (what === 'users') return analytics.report('users', { metrics, order_by, ...words })
      return analytics.query({ metrics, by: [what.slice('query by '.length)], order_by, ...words })
    }
    const all = await ask({})
    const lows = all.rows.map((row) => row['error_rate_low'] as number)
    expect(lows).toEqual(lows.toSorted((a, b) => b - a))
    const page = await ask({ limit: 3 })
    expect(page.rows.map((row) => row['error_rate_low'])).toEqual(lows.slice(0, 3))
    const some = await ask({ having })
    expect(some.rows.map((row) => row['error_rate_low'])).toEqual(lows.filter((low) => low > 0.05))
    expect(some.rows.length).toBeGreaterThan(0)
  })

  it('a question without a share refuses ci, and one that is wrong about a bound is told the nearest', async () => {
    await expect(analytics.query({ metrics: ['requests'], ci: true })).rejects.toThrow(/ci is of no use here/)
    await expect(analytics.query({ metrics: ['requests'], ci: 'yes' as unknown as boolean })).rejects.toThrow(/ci must be true or false/)
    await expect(analytics.query({ metrics: ['cost_usd_low'] })).rejects.toThrow(/Unknown metric "cost_usd_low"/)
  })

  it('of nothing they are null', async () => {
    const { totals } = await analytics.query({ metrics: ['error_rate'], where: 'plan = nowhere', ci: true })
    expect(totals).toEqual({
      error_rate: null,
      error_rate_numerator: 0,
      error_rate_denominator: 0,
      error_rate_low: null,
      error_rate_high: null,
    })
  })
})
