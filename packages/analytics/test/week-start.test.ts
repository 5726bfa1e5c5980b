import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics, QueryError, type Row } from '../src/index.ts'
import { ledgerOf, type CallWords } from './ledger.ts'

const DAY_MS = 86_400_000
/** A Thursday. */
const BEGIN = Date.parse('2026-01-01T00:00:00Z')
const AS_OF = Date.parse('2026-03-05T12:00:00Z')

/** The Sunday that a day's week begins with, found by walking back. */
function sundayOf(ms: number): string {
  let day = ms - (ms % DAY_MS)
  while (new Date(day).getUTCDay() !== 0) day -= DAY_MS
  return new Date(day).toISOString().slice(0, 10)
}

async function report(calls: readonly CallWords[], name: string, params: object): Promise<readonly Row[]> {
  const store = await ledgerOf(calls)
  try {
    return (await openAnalytics(store, { now: () => AS_OF }).report(name, { week_start: 'sunday', ...params })).rows
  } finally {
    await store.close()
  }
}

const histories = fc.array(fc.record({ user: fc.constantFrom('a', 'b', 'c', 'd'), hour: fc.integer({ min: 0, max: 63 * 24 }) }), {
  minLength: 1,
  maxLength: 40,
})
const callsOf = (found: readonly { user: string; hour: number }[]): CallWords[] =>
  found.map(({ user, hour }) => ({ user, at: BEGIN + hour * 3_600_000, properties: { feature: 'chat' } }))

describe('week_start sunday', () => {
  it('growth counts the users of each week from Sunday', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (found) => {
        const rows = await report(callsOf(found), 'growth', { by: ['time:week'] })
        const usersOf = new Map<string, Set<string>>()
        for (const { user, hour } of found) {
          const week = sundayOf(BEGIN + hour * 3_600_000)
          usersOf.set(week, (usersOf.get(week) ?? new Set()).add(user))
        }
        const firstOf = new Map<string, string>()
        for (const [week, users] of [...usersOf].sort()) for (const user of users) if (!firstOf.has(user)) firstOf.set(user, week)
        const told = rows.filter(({ active }) => active !== 0)
        expect(told.map(({ period, active, new: newcomers }) => [period, active, newcomers])).toEqual(
          [...usersOf].sort().map(([week, users]) => [week, users.size, [...users].filter((user) => firstOf.get(user) === week).length]),
        )
        for (const { period } of rows) expect(new Date(String(period)).getUTCDay()).toBe(0)
      }),
      { numRuns: 20 },
    )
  })

  it.each([
    ['cohorts', {}],
    ['onboarding', { having: 'step = signed_up' }],
    ['milestones', { having: 'milestone = first_success' }],
    ['funnel', { options: { steps: 'first_request, feature = chat' }, having: 'n = 1' }],
  ])('%s puts users under the Sunday of the week in which they came', async (name, params) => {
    await fc.assert(
      fc.asyncProperty(histories, async (found) => {
        const rows = await report(callsOf(found), name, { by: ['time:week'], ...params })
        const first = new Map<string, number>()
        for (const { user, hour } of found) first.set(user, Math.min(first.get(user) ?? Number.POSITIVE_INFINITY, hour))
        const hours = [...first.values()].filter((hour) => name !== 'funnel' || BEGIN + hour * 3_600_000 + 14 * DAY_MS <= AS_OF)
        const weeks = [...new Set(hours.map((hour) => sundayOf(BEGIN + hour * 3_600_000)))].sort()
        expect(rows.map(({ cohort }) => cohort)).toEqual(weeks)
      }),
      { numRuns: 8 },
    )
  })

  it('segments --history has a row at the end of each week from Sunday', async () => {
    const rows = await report([{ user: 'a', at: '2026-02-04T10:00:00Z' }], 'segments', {
      by: ['time:week'],
      since: '2026-02-03',
      until: '2026-02-20',
      options: { history: 'users' },
    })
    expect([...new Set(rows.map(({ period }) => period))]).toEqual(['2026-02-01', '2026-02-08', '2026-02-15'])
  })

  // A Saturday and the Sunday after it: one week from Monday, two from Sunday.
  const weekend: CallWords[] = ['2026-02-21T10:00:00Z', '2026-02-22T10:00:00Z'].map((at) => ({
    at,
    user: 'a',
    properties: { feature: 'chat' },
  }))

  it('adoption and lifecycle count a habit in weeks from Sunday', async () => {
    expect((await report(weekend, 'adoption', {}))[0]).toMatchObject({ tried: 1, adopted: 1 })
    expect((await report(weekend, 'adoption', { week_start: 'monday' }))[0]).toMatchObject({ tried: 1, adopted: 0 })
    const barriers = { options: { view: 'barriers' } }
    expect((await report(weekend, 'adoption', barriers))[0]).toMatchObject({ stopped: 0, adopted: 1 })
    expect((await report(weekend, 'adoption', { ...barriers, week_start: 'monday' }))[0]).toMatchObject({ stopped: 1, adopted: 0 })
    const stage = { options: { stage: 'retention' }, having: 'metric = feature_expansion' }
    expect(await report(weekend, 'lifecycle', stage)).toMatchObject([{ users: 1, of: 1, value: 1 }])
    expect(await report(weekend, 'lifecycle', { ...stage, week_start: 'monday' })).toMatchObject([{ users: 0, of: 0, value: null }])
  })

  it('seasonal takes whole weeks from Sunday', async () => {
    const calls: CallWords[] = [{ user: 'a', at: '2026-02-01T10:00:00Z' }, ...weekend]
    const rows = await report(calls, 'seasonal', { since: '2026-02-01', until: '2026-02-28', having: 'season = weekday' })
    expect(rows.map(({ name, n, mean_users: users }) => [name, n, users])).toEqual([
      ['Sunday', 4, 0.5],
      ['Monday', 4, 0],
      ['Tuesday', 4, 0],
      ['Wednesday', 4, 0],
      ['Thursday', 4, 0],
      ['Friday', 4, 0],
      ['Saturday', 4, 0.25],
    ])
  })

  it('the weekly report is about a week from Sunday', async () => {
    const store = await ledgerOf(weekend)
    const { meta, sections } = await openAnalytics(store, { now: () => AS_OF }).composite('weekly', { week_start: 'sunday' })
    await store.close()
    expect([meta.from, meta.to]).toEqual(['2026-02-22T00:00:00.000Z', '2026-03-01T00:00:00.000Z'])
    const growth = sections.find(({ name }) => name === 'growth')
    expect(growth?.answer.rows.map(({ period }) => period)).toEqual(['2026-02-01', '2026-02-08', '2026-02-15', '2026-02-22'])
  })

  it.each(['active', 'stickiness', 'evolution', 'behavior', 'thresholds', 'segments', 'users', 'models', 'overview'])(
    'is refused by %s, which has no weeks of the calendar',
    async (name) => {
      await expect(report(weekend, name, {})).rejects.toThrow(QueryError)
      await expect(report(weekend, name, { week_start: 'monday' })).resolves.toBeDefined()
    },
  )

  it('is refused by growth and cohorts where they are not split by weeks', async () => {
    for (const name of ['growth', 'cohorts', 'milestones'])
      await expect(report(weekend, name, { by: ['time:month'] })).rejects.toThrow(/week_start is of no use/)
  })
})
