import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics, type ReportParams } from '../../src/index.ts'
import { callOf, ledgerOf } from '../ledger.ts'
import { play, START_MS, step } from '../random-behavior.ts'

const HOUR_MS = 3_600_000

const orders = [
  ['cost_usd', 'desc'],
  ['requests', 'desc'],
  ['requests', 'asc'],
  ['errors', 'desc'],
  ['total_tokens', 'desc'],
  ['unpriced_requests', 'desc'],
  ['started_at', 'asc'],
  ['last_call_at', 'desc'],
  ['duration_ms', 'desc'],
  ['latency_avg_ms', 'desc'],
] as const

describe('the list of sessions', () => {
  it('is told from what is kept as from the calls, with its totals, its next page and what it leaves out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 3, maxLength: 12 }),
        fc.record({
          order: fc.constantFrom(...orders),
          limit: fc.integer({ min: 1, max: 6 }),
          asOfHours: fc.integer({ min: 12, max: 24 * 14 }),
          sinceHours: fc.option(fc.nat(24 * 8), { nil: undefined }),
        }),
        async (steps, { order, limit, asOfHours, sinceHours }) => {
          const store = await ledgerOf([], { timeZone: 'America/New_York' })
          for (const [n, one] of steps.entries()) await play(store, one, n)
          const analytics = openAnalytics(store, { now: () => START_MS + asOfHours * HOUR_MS })
          const since =
            sinceHours === undefined ? undefined : new Date(START_MS + Math.min(sinceHours, asOfHours - 1) * HOUR_MS).toISOString()
          const asked: ReportParams = { limit, order_by: [order], other: true, ...(since === undefined ? {} : { since }) }
          const { rows, totals, other, meta } = await analytics.report('sessions', asked)
          // A filter on rows has all of them computed from the calls.
          const whole = await analytics.report('sessions', { ...asked, having: 'requests > 0' })
          expect({ rows, totals, other, meta }).toEqual({ rows: whole.rows, totals: whole.totals, other: whole.other, meta: whole.meta })
          await store.close()
        },
      ),
      { numRuns: 100 },
    )
  })

  it('has of sessions that began before its period what they did in it', async () => {
    const oneCall = fc.record({
      hour: fc.nat({ max: 24 * 20 * 4 - 1 }).map((quarter) => quarter / 4),
      user: fc.constantFrom<string | undefined>('ann', 'bob', 'cid', undefined),
      isNamed: fc.boolean(),
      minutes: fc.constantFrom<number>(0, 1, 90),
    })
    const scenario = fc.record({
      calls: fc.array(oneCall, { minLength: 60, maxLength: 160 }),
      late: fc.array(oneCall, { maxLength: 1 }),
      sinceHour: fc.integer({ min: 24 * 4, max: 24 * 9 * 4 }).map((quarter) => quarter / 4),
      order: fc.constantFrom(...orders),
    })
    await fc.assert(
      fc.asyncProperty(scenario, async ({ calls, late, sinceHour, order }) => {
        const store = await ledgerOf([])
        // Sessions of a day and a half, one after the other.
        const made = (list: typeof calls): ReturnType<typeof callOf>[] =>
          list.map(({ hour, user, isNamed, minutes }) =>
            callOf({
              at: START_MS + hour * HOUR_MS,
              user,
              session: isNamed ? `s${Math.floor(hour / 36)}` : undefined,
              latencyMs: minutes * 60_000,
              costNanoUsd: Math.round(hour * 100),
            }),
          )
        // And short ones without a name, of which the period cuts one and has more.
        const short = Array.from({ length: 216 }, (_, n) => ({
          hour: 24 + Math.floor(n / 3) * 3 + (n % 3) * 0.4,
          user: 'eve',
          isNamed: false,
          minutes: 1,
        }))
        const isToday = ({ hour }: { hour: number }): boolean => hour >= 24 * 19
        await store.write({ calls: made([...calls.filter((one) => !isToday(one)), ...short]) })
        await store.closeDays()
        await store.write({ calls: made([...calls.filter(isToday), ...late]) })
        const analytics = openAnalytics(store, { now: () => START_MS + 24 * 20 * HOUR_MS })
        const since = new Date(START_MS + sinceHour * HOUR_MS).toISOString()
        const asked: ReportParams = { since, limit: 4, order_by: [order], other: true }
        const { rows, totals, other, meta } = await analytics.report('sessions', asked)
        const whole = await analytics.report('sessions', { ...asked, having: 'requests > 0' })
        expect({ rows, totals, other, meta }).toEqual({ rows: whole.rows, totals: whole.totals, other: whole.other, meta: whole.meta })
        await store.close()
      }),
      { numRuns: 40 },
    )
  })

  it('has sessions that rank equally in the order of their names, more of them than are listed', async () => {
    const calls = Array.from({ length: 300 }, (_, n) => callOf({ at: START_MS + n * 60_000, user: `u${n % 7}`, session: `s${n}` }))
    const store = await ledgerOf([])
    await store.write({ calls })
    await store.closeDays()
    const { rows, meta, other } = await openAnalytics(store, { now: () => START_MS + 48 * HOUR_MS }).report('sessions', {
      limit: 3,
      other: true,
    })
    expect(rows.map(({ session }) => session)).toEqual(['s0', 's1', 's10'])
    expect([meta.rows, other?.rows, other?.values['users'], other?.values['requests']]).toEqual([300, 297, 7, 297])
    await store.close()
  })

  it('of an empty ledger is empty', async () => {
    const store = await ledgerOf([])
    await store.closeDays()
    const { rows, other } = await openAnalytics(store).report('sessions', { limit: 3, other: true })
    expect([rows, other]).toEqual([[], null])
    await store.close()
  })
})
