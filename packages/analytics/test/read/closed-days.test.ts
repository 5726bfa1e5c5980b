import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics, type Filter, type ReportParams } from '../../src/index.ts'
import { callOf, ledgerOf } from '../ledger.ts'
import { approximate, AS_OF, bys, exact, filters, periods, randomCalls, zones } from '../random-ledger.ts'

/** A ledger in which some days are closed and some are not, because calls of them came later. */
async function partlyClosed(timeZone: string): Promise<Store> {
  const late = randomCalls.filter(({ at }, n) => n % 3 === 0 && Math.floor(Number(at) / 86_400_000) % 3 === 0)
  const store = await ledgerOf(
    randomCalls.filter((call) => !late.includes(call)),
    { timeZone },
  )
  await store.closeDays()
  await store.write({ calls: late.map(callOf) })
  return store
}

async function daysClosed(store: Store): Promise<number> {
  const [row] = await store.all<{ days: number }>('SELECT count(*) AS days FROM closed_days')
  return row?.days ?? 0
}

const people = ['active', 'growth', 'stickiness', 'cohorts', 'segments', 'segment_members', 'thresholds', 'anomalies', 'users'] as const

describe('an answer', () => {
  const asked = fc.record({
    name: fc.constantFrom(...people),
    period: periods,
    where: fc.option(filters, { nil: undefined, freq: 3 }),
    by: fc.constantFrom(undefined, 'time:day', 'time:week', 'time:month'),
    asOf: fc.constantFrom(AS_OF, Date.parse('2026-04-01T00:00:00Z'), Date.parse('2026-03-05T17:30:00Z')),
    tz: fc.option(fc.constantFrom(...zones), { nil: undefined, freq: 2 }),
  })

  it.each(['UTC', 'America/St_Johns'])(
    'about people is the same whether days of the ledger are closed, open, or some of each (%s)',
    { timeout: 240_000 },
    async (timeZone) => {
      const closed = await partlyClosed(timeZone)
      const some = await daysClosed(closed)
      await closed.closeDays()
      expect(some).toBeGreaterThan(20)
      expect(await daysClosed(closed)).toBeGreaterThan(some)
      const partly = await partlyClosed(timeZone)
      const open = await ledgerOf(randomCalls, { timeZone })
      await open.closeDays()
      await open.all('DELETE FROM closed_days')
      await fc.assert(
        fc.asyncProperty(asked, async ({ name, period, where, by, asOf, tz }) => {
          const params: ReportParams = {
            ...period,
            where,
            ...(name === 'growth' || name === 'cohorts' ? { by: by === undefined ? [] : [by] } : {}),
          }
          const answer = async (store: Store): Promise<unknown> => {
            const { rows, totals, meta } = await openAnalytics(store, {
              now: () => asOf,
              ...(tz === undefined ? {} : { timeZone: tz }),
            }).report(name, params)
            return { rows, totals, meta }
          }
          const expected = await answer(open)
          expect(await answer(closed)).toEqual(expected)
          expect(await answer(partly)).toEqual(expected)
        }),
        { numRuns: 40 },
      )
      for (const store of [closed, partly, open]) await store.close()
    },
  )

  const question = fc.record({
    metrics: fc.uniqueArray(fc.constantFrom(...exact, ...approximate), { minLength: 1, maxLength: 5 }),
    by: fc.oneof(
      fc.constantFrom<string[][]>(
        ['property:plan'],
        ['property:plan', 'feature'],
        ['feature', 'time:week'],
        ['model'],
        ['operation', 'status'],
      ),
      bys,
    ),
    period: periods,
    where: fc.option(
      fc.oneof(fc.constantFrom<Filter[]>(['is', 'property:plan', ['pro']], ['missing', 'feature'], ['is', 'model', ['gpt-4o']]), filters),
      { nil: undefined },
    ),
    asOf: fc.constantFrom(AS_OF, Date.parse('2026-04-01T00:00:00Z'), Date.parse('2026-03-05T17:30:00Z')),
    tz: fc.option(fc.constantFrom(...zones), { nil: undefined, freq: 1 }),
    having: fc.option(fc.constant<Filter>(['gt', 'requests', 3]), { nil: undefined, freq: 1 }),
    limit: fc.option(fc.constant(2), { nil: undefined, freq: 1 }),
  })

  it.each(['UTC', 'Asia/Kathmandu'])(
    'to any question is the same whether days of the ledger are closed, open, or some of each (%s)',
    { timeout: 240_000 },
    async (timeZone) => {
      const closed = await partlyClosed(timeZone)
      await closed.closeDays()
      const partly = await partlyClosed(timeZone)
      const open = await ledgerOf(randomCalls, { timeZone })
      await open.closeDays()
      await open.all('DELETE FROM closed_days')
      await fc.assert(
        fc.asyncProperty(question, async ({ period, asOf, tz, ...words }) => {
          const answer = async (store: Store): Promise<unknown> => {
            const analytics = openAnalytics(store, { now: () => asOf, ...(tz === undefined ? {} : { timeZone: tz }) })
            const { rows, totals, other, meta } = await analytics.query({ ...words, ...period, other: words.limit !== undefined })
            return { rows, totals, other, meta }
          }
          const expected = await answer(open)
          expect(await answer(closed)).toEqual(expected)
          expect(await answer(partly)).toEqual(expected)
        }),
        { numRuns: 80 },
      )
      for (const store of [closed, partly, open]) await store.close()
    },
  )
})
