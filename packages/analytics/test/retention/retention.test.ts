import { describe, expect, it } from 'vitest'

import { sessionize, durationMs } from '../behavior/naive-sessions.ts'
import { activeUsers, daysActive } from '../../src/retention/active-users.ts'
import { adoption } from '../../src/retention/adoption.ts'
import { cohorts, type Cohort, type CohortOptions } from '../../src/retention/cohorts.ts'
import { evolution, evolutionInWords } from '../../src/retention/evolution.ts'
import { growth } from '../../src/retention/growth.ts'
import { activationThresholds, bestThreshold, firstWeekCounts, retentionInsights } from '../../src/retention/insights.ts'
import { dateOf, dayOf } from '../../src/behavior/user-history.ts'
import { twelveUsers } from '../behavior/histories.ts'
import { historiesOf } from './user-histories.ts'

const calls = twelveUsers()
const histories = historiesOf(calls)
const asOfDay = dayOf('2024-04-15')
const [from, to] = [dayOf('2024-01-01'), asOfDay]

describe('active users', () => {
  it('of a day, the week and the month that end with it', () => {
    const day = dayOf('2024-03-25')
    expect(activeUsers(histories, { from: day, to: day + 1 })).toEqual([
      { day, dau: 4, wau: 7, mau: 9, stickiness: expect.closeTo(0.0962963, 7) as unknown },
    ])
    expect(activeUsers(histories, { from: day, to: day + 1, monthDays: 28 })[0]?.mau).toBe(9)
  })

  it('are told of days without anybody, without a share of nothing', () => {
    const day = dayOf('2023-06-01')
    expect(activeUsers(histories, { from: day, to: day + 1 })).toEqual([{ day, dau: 0, wau: 0, mau: 0, stickiness: null }])
  })

  it('by the number of days they came on', () => {
    const [first, last] = [dayOf('2024-03-25'), dayOf('2024-04-01')]
    const counts = daysActive(histories, first, last)
    expect(counts.reduce((sum, users) => sum + users, 0)).toBe(
      histories.filter(({ days }) => days.some(({ day }) => day >= first && day < last)).length,
    )
  })
})

describe('growth', () => {
  const rows = growth(histories, { interval: 'month', from, to, asOfDay })

  it('says who came, stayed, returned and left', () => {
    expect(rows.map((row) => [row.period, row.active, row.new, row.returning, row.resurrected, row.dormant])).toEqual([
      ['2024-01', 5, 5, 0, 0, 0],
      ['2024-02', 8, 4, 4, 0, 1],
      ['2024-03', 9, 3, 6, 0, 2],
      ['2024-04', 8, 0, 7, 1, 2],
    ])
  })

  it('compares a month that is not over with as many days of the one before', () => {
    expect(rows.map(({ growth: change }) => change)).toEqual([null, 0.6, 0.125, 0])
    expect(rows.map(({ complete }) => complete)).toEqual([true, true, true, false])
    const strict = growth(histories, { interval: 'month', from, to, asOfDay, compare: 'complete_only' })
    expect(strict.map(({ growth: change }) => change)).toEqual([null, 0.6, 0.125, null])
  })

  it('has churn and a quick ratio where there is something to divide by', () => {
    expect(rows.map(({ churn }) => churn)).toEqual([null, 0.2, 0.25, expect.closeTo(0.2222222, 7)])
    expect(rows.map(({ quickRatio }) => quickRatio)).toEqual([null, 4, 1.5, 0.5])
  })
})

describe('cohorts', () => {
  const table = (options: Partial<CohortOptions>): string[] => cohorts(histories, { by: 'month', from, to, asOfDay, ...options }).map(line)
  const line = ({ cohort, size, weeks }: Cohort): string =>
    [cohort, size, ...weeks.map(({ share }) => (share === null ? '-' : Math.round(share * 100)))].join(' ')

  it('are told once the week of the last to join is over, to the day', () => {
    expect(table({})).toEqual(['2024-01 5 100 80 80 60 60', '2024-02 4 100 75 75 50 -', '2024-03 3 100 100 - - -'])
  })

  it('of the eligible are told of those whose week is over', () => {
    const march = cohorts(histories, { by: 'month', from, to, asOfDay, censoring: 'eligible' }).at(-1)
    expect(march?.weeks[2]).toEqual({ week: 4, share: 0.5, retained: 1, of: 2, reason: null })
  })

  it('count those who came in a week or later, or in every week', () => {
    expect(table({ mode: 'on_or_after' })[0]).toBe('2024-01 5 100 100 80 80 80')
    const streaks = cohorts(histories, { by: 'month', from, to, asOfDay, mode: 'streak' })
    for (const { weeks } of streaks) {
      const told = weeks.flatMap(({ share }) => share ?? [])
      expect(told).toEqual(told.toSorted((a, b) => b - a))
    }
  })
})

describe('evolution', () => {
  const sessions = sessionize(calls, { asOfMs: asOfDay * 86_400_000, retries: new Map() }).map((session) => ({
    user: session.user,
    day: Math.floor(session.startMs / 86_400_000),
    durationMs: durationMs(session),
  }))

  it('of those who stayed rises', () => {
    const weeks = evolution(histories, { asOfDay, sessions })
    expect(weeks.map(({ users, eligible, requests, requestsPerDay }) => [users, eligible, requests, requestsPerDay])).toEqual([
      [12, 12, 34, expect.closeTo(0.4047619, 7)],
      [8, 11, 23, expect.closeTo(0.4107143, 7)],
      [3, 5, 9, expect.closeTo(0.4285714, 7)],
    ])
    expect(weeks.map(({ sessionLengthAvgS }) => sessionLengthAvgS)).toEqual([52, 122.5, 130])
    expect(weeks.map(({ features }) => features)).toEqual([
      ['chat', 'analysis'],
      ['chat', 'analysis'],
      ['chat', 'analysis'],
    ])
  })

  it('of the same users throughout falls', () => {
    const weeks = evolution(histories, { asOfDay, basis: 'panel' })
    expect(weeks.map(({ requests, requestsPerDay }) => [requests, requestsPerDay])).toEqual([
      [15, expect.closeTo(0.4285714, 7)],
      [13, expect.closeTo(0.3714286, 7)],
      [9, expect.closeTo(0.2571429, 7)],
    ])
  })

  it('is told in the words of the seed, and says nothing of weeks nobody has lived through', () => {
    const rated = { user: histories[0]?.user ?? '', day: histories[0]?.firstDay ?? 0, about: 'chat', score: 7.24 }
    const early = evolution(histories, { asOfDay: dayOf('2024-02-10'), sessions, ratings: [rated] })
    expect(evolutionInWords(early, { catalogue: ['chat', 'analysis'] })).toEqual({
      week_1: {
        requests_per_day: expect.any(Number) as unknown,
        avg_session_length: expect.stringMatching(/ sec$/) as unknown,
        features_used: ['all_features'],
        satisfaction_score: 7.2,
      },
      week_4: expect.anything() as unknown,
      week_12: null,
    })
  })
})

describe('retention insights', () => {
  it('do not call twelve users more than chance', () => {
    const analysis = retentionInsights(histories, { asOfDay }).find(({ factor }) => factor === 'analysis')
    expect(analysis).toEqual({
      factor: 'analysis',
      table: { a: 4, b: 0, c: 4, d: 3 },
      n: 11,
      shareWith: 1,
      shareWithout: expect.closeTo(0.5714286, 7) as unknown,
      difference: expect.closeTo(0.4285714, 7) as unknown,
      differenceInterval: [expect.any(Number), expect.any(Number)],
      lift: expect.closeTo(1.75, 12) as unknown,
      oddsRatio: null,
      oddsRatioMended: expect.closeTo(7, 12) as unknown,
      interval: [expect.closeTo(0.2746, 4), expect.closeTo(178.47, 2)],
      oddsRatioAdjusted: expect.toSatisfy((ratio: number | null) => ratio === null || ratio > 0) as unknown,
      p: expect.closeTo(0.2363636, 7) as unknown,
      q: expect.any(Number) as unknown,
      informationBits: expect.closeTo(0.218388, 6) as unknown,
      isDistinguishable: false,
    })
  })

  it('find how much use in the first week goes with staying', () => {
    const thresholds = activationThresholds(histories, firstWeekCounts.requests, asOfDay)
    const [alone, ...others] = thresholds.map(({ phi }) => phi)
    expect(alone).toBeNull()
    expect(others).toEqual([0.7698004, 0.559017, 0.2886751, 0.1936492].map((value) => expect.closeTo(value, 7) as unknown))
    const few = { minUsers: 11, minSide: 0 }
    expect(bestThreshold(thresholds, few)?.k).toBe(2)
    expect(bestThreshold(thresholds)).toBeUndefined()
    expect(bestThreshold(thresholds, few)?.youden).toBeCloseTo(0.6666667, 7)
    expect(activationThresholds([], firstWeekCounts.requests, asOfDay)).toEqual([])
  })
})

describe('adoption', () => {
  it('nests aware, tried, adopted and power users, and says when a feature was first used', () => {
    const found = adoption(histories, 'analysis', { asOfDay })
    expect(found).toMatchObject({ aware: 12, awareBasis: 'assumed', tried: 6, adopted: 1, power: 0 })
    expect(found.firstUse.map(({ time, share }) => [time, Math.round(share * 1e4) / 1e4])).toEqual([
      [0, 0.25],
      [2, 0.3333],
      [4, 0.4167],
      [7, 0.5],
    ])
  })

  it('counts those who were shown a feature where the app says so', () => {
    expect(adoption(histories, 'analysis', { asOfDay, exposed: new Set(['u02', 'u01']) })).toMatchObject({
      aware: 7,
      awareBasis: 'explicit',
      tried: 6,
    })
  })
})

it('days are numbered so that dates lead back', () => {
  expect(['1969-12-31', '1970-01-01', '2024-02-29', '2100-03-01'].map((date) => dateOf(dayOf(date)))).toEqual([
    '1969-12-31',
    '1970-01-01',
    '2024-02-29',
    '2100-03-01',
  ])
})
