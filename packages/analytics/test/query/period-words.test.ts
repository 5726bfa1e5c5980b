import { describe, expect, it } from 'vitest'

import { zoneOf } from '../../src/query/buckets.ts'
import { resolvePeriod, type PeriodWords } from '../../src/query/period.ts'
import { openAnalytics, parseAsOf, parseBounds } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'

const asOf = '2026-05-20T15:30:00Z'

/** From and to, as instants of UTC. */
function period(words: PeriodWords, { timeZone = 'UTC', at = asOf } = {}): string[] {
  const { fromMs, toMs } = resolvePeriod(words, {
    zone: zoneOf(timeZone),
    asOfMs: Date.parse(at),
    firstMs: Date.parse('2025-01-01T00:00:00Z'),
  })
  return [fromMs, toMs].map((ms) => new Date(ms).toISOString().replace(/:00\.000Z$/, 'Z'))
}

describe('a period in words', () => {
  it.each([
    [{ last: 'today' }, '2026-05-20T00:00Z', '2026-05-20T15:30Z'],
    [{ last: 'yesterday' }, '2026-05-19T00:00Z', '2026-05-20T00:00Z'],
    [{ last: 'mtd' }, '2026-05-01T00:00Z', '2026-05-20T15:30Z'],
    [{ last: 'qtd' }, '2026-04-01T00:00Z', '2026-05-20T15:30Z'],
    [{ last: 'ytd' }, '2026-01-01T00:00Z', '2026-05-20T15:30Z'],
    [{ since: 'mtd' }, '2026-05-01T00:00Z', '2026-05-20T15:30Z'],
    [{ since: '7d' }, '2026-05-14T00:00Z', '2026-05-20T15:30Z'],
    [{ since: 'today' }, '2026-05-20T00:00Z', '2026-05-20T15:30Z'],
    [{ since: 'yesterday' }, '2026-05-19T00:00Z', '2026-05-20T15:30Z'],
    [{ since: 'yesterday', until: 'yesterday' }, '2026-05-19T00:00Z', '2026-05-20T00:00Z'],
    [{ since: '2026-02' }, '2026-02-01T00:00Z', '2026-05-20T15:30Z'],
    [{ since: '2026-02', until: '2026-02' }, '2026-02-01T00:00Z', '2026-03-01T00:00Z'],
    [{ since: '2025-12', until: '2025-12' }, '2025-12-01T00:00Z', '2026-01-01T00:00Z'],
    [{ since: '2025-12', until: '2026-01' }, '2025-12-01T00:00Z', '2026-02-01T00:00Z'],
    // Of a period that ends elsewhere: the month, quarter and days up to there.
    [{ last: 'mtd', until: '2026-02-10' }, '2026-02-01T00:00Z', '2026-02-11T00:00Z'],
    [{ last: 'qtd', until: '2026-03-31' }, '2026-01-01T00:00Z', '2026-04-01T00:00Z'],
    [{ since: '7d', until: '2026-02-10' }, '2026-02-04T00:00Z', '2026-02-11T00:00Z'],
  ] as const)('%j', (words, from, to) => {
    expect(period(words)).toEqual([from, to])
  })

  it('is of local days, those on which clocks change too', () => {
    const lordHowe = { timeZone: 'Australia/Lord_Howe', at: '2026-04-05T10:00:00Z' }
    expect(period({ last: 'today' }, lordHowe)).toEqual(['2026-04-04T13:00Z', '2026-04-05T10:00Z'])
    expect(period({ last: 'yesterday' }, lordHowe)).toEqual(['2026-04-03T13:00Z', '2026-04-04T13:00Z'])
    expect(period({ last: 'mtd' }, { timeZone: 'Asia/Kathmandu', at: '2026-04-30T18:15:00Z' })).toEqual([
      '2026-03-31T18:15Z',
      '2026-04-30T18:15Z',
    ])
  })

  it('that begins at midnight is of the day that ends then', () => {
    expect(period({ last: 'today' }, { at: '2026-05-20T00:00:00Z' })).toEqual(['2026-05-19T00:00Z', '2026-05-20T00:00Z'])
  })

  it.each([
    [{ since: '2026-13' }, /Cannot read since "2026-13"/],
    [{ since: '2026-00' }, /Cannot read since "2026-00"/],
    [{ since: '2026-02-30' }, /Cannot read since/],
    [{ until: 'mtd' }, /Cannot read until "mtd"/],
    [{ since: 'tomorrow' }, /a month \(2026-01\), today, yesterday or an instant/],
    [{ last: 'toString' }, /or today, yesterday, mtd, qtd, ytd/],
    [{ last: '__proto__' }, /Cannot read last/],
    [{ since: 'today', until: 'yesterday' }, /before it begins/],
  ] as const)('%j is refused', (words, why) => {
    expect(() => period(words)).toThrow(why)
  })

  it('is that of a report, whatever the report is about', async () => {
    const store = await ledgerOf([
      { at: '2026-05-01T00:00:00Z', user: 'ada', properties: {} },
      { at: '2026-04-30T23:59:59Z', user: 'ben', properties: {} },
    ])
    const analytics = openAnalytics(store, { now: () => Date.parse(asOf) })
    expect((await analytics.report('overview', { last: 'mtd' })).totals['requests']).toBe(1)
    expect((await analytics.query({ metrics: ['requests'], since: '2026-04', until: '2026-04' })).totals['requests']).toBe(1)
    expect((await analytics.report('active', { last: 'mtd' })).rows).toHaveLength(20)
    await store.close()
  })
})

it('an instant to ask at has a month, and no today: it is what says when today is', () => {
  expect(new Date(parseAsOf('2026-02', 'UTC')).toISOString()).toBe('2026-03-01T00:00:00.000Z')
  expect(() => parseAsOf('today', 'UTC')).toThrow(/a month \(2026-01\) or an instant/)
})

it('bounds without an end are of now, though calls of the future are in them', () => {
  const { sinceMs = 0, untilMs } = parseBounds({ since: '2d' }, 'UTC')
  expect(untilMs).toBeUndefined()
  const day = Math.floor((Date.now() - 1) / 86_400_000) * 86_400_000
  expect([day - 86_400_000, day]).toContain(sinceMs)
})
