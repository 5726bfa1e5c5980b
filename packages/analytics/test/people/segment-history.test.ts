import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { addDays, formatDay, openZone, type Store } from '@spanledger/store'

import { openAnalytics, type Filter, type ReportParams, type Row, type SegmentsWords, type SegmentWords } from '../../src/index.ts'
import { powerMeasures, riskMeasures } from '../../src/segments/segment-rules.ts'
import { powerThreshold, standingOf, type UserActivity } from '../../src/segments/automatic-segments.ts'
import { readCallsBefore, segmentsFrom } from '../../src/segments/read-segments.ts'
import { twelveUsers } from '../behavior/histories.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'
import { figuresOf, numberOf, passes, readPlainCalls, valueOf, type PlainCall } from '../naive.ts'
import { AS_OF, filters, randomCalls, zones } from '../random-ledger.ts'

const DAY = 86_400_000
/** The local date so many days before an instant. */
const dayBefore = (ms: number, days: number, timeZone: string): string => formatDay(addDays(openZone(timeZone).day(ms), -days))
const startIn = (timeZone: string, date: string): number => openZone(timeZone).startOfDay(Number(date.replaceAll('-', '')))

/** One test of a filter against the latest value that a user has of what it names, told the long way. */
function latestPasses(filter: Filter, calls: readonly PlainCall[]): boolean {
  const [operator, ...rest] = filter as [string, ...unknown[]]
  if (operator === 'and') return (rest as Filter[]).every((part) => latestPasses(part, calls))
  if (operator === 'or') return (rest as Filter[]).some((part) => latestPasses(part, calls))
  if (operator === 'not') return !latestPasses(rest[0] as Filter, calls)
  const name = rest[0] as string
  if (operator === 'is_not') return !latestPasses(['is', name, rest[1] as string[]], calls)
  if (operator === 'not_contains') return !latestPasses(['contains', name, rest[1] as string[]], calls)
  const isNumber = ['gt', 'gte', 'lt', 'lte'].includes(operator)
  const known = calls.filter((call) => (isNumber ? numberOf(call, name) : valueOf(call, name, 'UTC')) !== null)
  if (operator === 'missing') return known.length === 0
  if (known.length === 0) return operator === 'is' && (rest[1] as string[]).map(String).includes('(none)')
  const latestMs = Math.max(...known.map(({ startMs }) => startMs))
  return known.some((call) => call.startMs === latestMs && passes(call, filter))
}

interface Definition {
  readonly where: Filter
  readonly match: 'latest' | 'any'
  readonly having: string | undefined
  readonly last: string
}

const havings: Readonly<Record<string, (figures: Record<string, string | number | null>) => boolean>> = {
  'requests >= 12': ({ requests }) => Number(requests) >= 12,
  'requests < 3': ({ requests }) => Number(requests) < 3,
  'error_rate > 0.2': ({ error_rate: rate }) => rate !== null && Number(rate) > 0.2,
  'cost_usd > 0.2 or active_days >= 8': ({ cost_usd: cost, active_days: days }) => Number(cost ?? 0) > 0.2 || Number(days) >= 8,
}

const definitions: fc.Arbitrary<Definition> = fc.record({
  where: filters,
  match: fc.constantFrom('latest' as const, 'any' as const),
  having: fc.constantFrom(undefined, ...Object.keys(havings)),
  last: fc.constantFrom('30d', '10d', 'all'),
})

function isMember({ where, match, having, last }: Definition, known: readonly PlainCall[], asOfMs: number): boolean {
  // In UTC the last n days, today included, begin at a midnight.
  const fromMs = last === 'all' ? 0 : Math.floor((asOfMs - 1) / DAY) * DAY - (Number.parseInt(last) - 1) * DAY
  const inWindow = known.filter(({ startMs }) => startMs >= fromMs)
  const meant = match === 'any' ? inWindow.filter((call) => passes(call, where)) : inWindow
  if (match === 'any' ? meant.length === 0 : !latestPasses(where, known)) return false
  return having === undefined || havings[having]?.(figuresOf(meant, 'UTC')) === true
}

describe('segments of an app’s own, over random calls', () => {
  let store: Store
  let plain: PlainCall[]
  beforeAll(async () => {
    store = await ledgerOf(randomCalls.slice(0, 250))
    plain = await readPlainCalls(store)
  })
  afterAll(() => store.close())

  const words = (found: readonly Definition[]): Readonly<Record<string, SegmentWords>> =>
    Object.fromEntries(found.map(({ where, match, having, last }, n) => [`s${n}`, { where, match, having, last }]))
  const naive = (found: readonly Definition[], user: string, asOfMs: number): string[] => {
    const known = plain.filter((call) => call.user === user && call.startMs < asOfMs)
    return found.flatMap((one, n) => (isMember(one, known, asOfMs) ? [`s${n}`] : []))
  }

  it('hold of those of whom plain loops say that they hold, at any instant', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(definitions, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: AS_OF - 60 * DAY, max: AS_OF }),
        async (found, asOfMs) => {
          const analytics = openAnalytics(store, { now: () => asOfMs, segments: words(found) })
          const { rows } = await analytics.report('segment_members', { order_by: [['user', 'asc']] })
          const own = Object.fromEntries(rows.map((row) => [String(row['user']), row['custom_segments']]))
          for (const user of Object.keys(own)) expect([user, own[user]]).toEqual([user, naive(found, user, asOfMs).join(', ') || null])
        },
      ),
      { numRuns: 30 },
    )
  })

  it('have the history that asking at the end of each day, week or month gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(definitions, { minLength: 1, maxLength: 2 }),
        fc.constantFrom('exclusive' as const, 'multi' as const),
        fc.record({ power: fc.constantFrom(...powerMeasures), at_risk: fc.constantFrom(...riskMeasures) }),
        fc.constantFrom(...zones),
        fc.constantFrom('time:week', 'time:month'),
        async (found, mode, rules, timeZone, by) => {
          const segments: SegmentsWords = { mode, segments: words(found), ...rules }
          const period = { since: '2026-02-20', until: '2026-04-20' }
          const history = await openAnalytics(store, { now: () => AS_OF, timeZone, segments }).report('segments', {
            ...period,
            by: [by],
            options: { history: 'users' },
          })
          const periods = [...new Set(history.rows.map((row) => String(row['period'])))]
          for (const [n, name] of periods.entries()) {
            const rows = history.rows.filter((row) => row['period'] === name)
            const next = periods[n + 1]
            const start = (label: string): string => (label.length === 7 ? `${label}-01` : label)
            // A date in as_of is its end; the end of a period is the begin of the next.
            const asOfMs = next === undefined ? AS_OF : startIn(timeZone, start(next))
            const then = openAnalytics(store, { now: () => asOfMs, timeZone, segments })
            const members = (await then.report('segment_members')).rows
            const inEach = members.flatMap((row) => String(row['segment']).split(', '))
            for (const row of rows)
              expect([name, row['segment'], row['users']]).toEqual([
                name,
                row['segment'],
                inEach.filter((one) => one === row['segment']).length,
              ])
          }
        },
      ),
      { numRuns: 8 },
    )
  }, 60_000)
})

function naiveActivity(calls: readonly PlainCall[], name: string, asOfMs: number): UserActivity {
  const own = calls.filter(({ user }) => user === name)
  const between = (from: number, to: number): number =>
    own.filter(({ startMs }) => startMs >= asOfMs - from * DAY && startMs < asOfMs - to * DAY).length
  return { last30Days: between(30, 0), usage: between(30, 0), prior: between(28, 14), recent: between(14, 0) }
}

describe('where users stood', () => {
  it('is what plain loops count, told for many instants at once as for each by itself, in any zone, with calls that are yet to come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...zones),
        fc.constantFrom(...zones),
        fc.uniqueArray(fc.integer({ min: AS_OF - 70 * DAY, max: AS_OF }), { minLength: 1, maxLength: 8 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 8 }),
        async (storeZone, timeZone, free, midnights) => {
          const store = await ledgerOf(manyCalls, { timeZone: storeZone })
          const instants = [...new Set([...free, ...midnights.map((n) => startIn(timeZone, '2026-02-10') + n * DAY)])].sort((a, b) => a - b)
          const zone = openZone(timeZone)
          const atOnce = [...(await readCallsBefore(store, instants))].map((calls, n) =>
            segmentsFrom(calls, { asOfMs: instants[n] ?? 0, zone }),
          )
          const plainCalls = await readPlainCalls(store)
          const users = await store.all<{ id: number; name: string }>('SELECT user_id AS id, name FROM users WHERE user_id <> 0')
          for (const [n, asOfMs] of instants.entries()) {
            const [calls] = await readCallsBefore(store, [asOfMs])
            const alone = segmentsFrom(calls ?? noCalls, { asOfMs, zone })
            const counts = users.map(({ name }) => naiveActivity(plainCalls, name, asOfMs))
            const powerFrom = powerThreshold(Float64Array.from(counts, ({ last30Days }) => last30Days))
            const [firstDay, asOfDay] = [zone.day(FIRST_MS), zone.day(asOfMs)]
            for (const [user, { id }] of users.entries()) {
              const standing = standingOf(counts[user], { firstDay, asOfDay, powerFrom })
              expect(atOnce[n]?.standingOf(id, FIRST_MS)).toEqual(standing)
              expect(alone.standingOf(id, FIRST_MS)).toEqual(standing)
              // Around the instants at which a user is new no more.
              for (const days of [27, 28, 29, 30, 31])
                for (const firstMs of [asOfMs - days * DAY, startIn(timeZone, dayBefore(asOfMs, days, timeZone)) - 1])
                  expect(alone.segmentOf(id, firstMs)).toBe(alone.standingOf(id, firstMs).segment)
            }
          }
          await store.close()
        },
      ),
      { numRuns: 6 },
    )
  }, 60_000)

  const FIRST_MS = AS_OF - 100 * DAY
  const noCalls = { last30Days: new Float64Array(), prior: new Float64Array(), recent: new Float64Array() }
  const manyCalls: readonly CallWords[] = randomCalls.slice(0, 400)
})

describe('the history of segments, over twelve users', () => {
  let store: Store
  beforeAll(async () => {
    store = await ledgerOf(
      twelveUsers().map(({ user, startMs, endMs }): CallWords => ({
        at: startMs,
        user,
        latencyMs: endMs - startMs,
        properties: { plan: user <= 'u05' ? 'old' : 'young' },
      })),
    )
  })
  afterAll(() => store.close())

  const asOf = Date.parse('2024-04-15T00:00:00Z')
  const ask = async (params: ReportParams): Promise<string[]> => {
    const { columns, rows } = await openAnalytics(store, { now: () => asOf }).report('segments', params)
    return rows.map((row: Row) =>
      columns
        .map(({ key }) => row[key])
        .map((cell) => (typeof cell === 'number' ? Math.round(cell * 1e4) / 1e4 : cell))
        .join(' '),
    )
  }

  it('ends with what the segments are now', async () => {
    const rows = await ask({ since: '2024-04-14', options: { history: 'users' } })
    expect(rows).toEqual([
      '2024-04-14 power 2 0.1667 0 0 true',
      '2024-04-14 casual 6 0.5 0 0 true',
      '2024-04-14 new 1 0.0833 0 0 true',
      '2024-04-14 at_risk 1 0.0833 0 0 true',
      '2024-04-14 churned 2 0.1667 0 0 true',
    ])
  })

  it('says by month how many there were and who moved, with what is not over marked', async () => {
    const rows = await ask({ since: '2024-03-01', by: ['time:month'], options: { history: 'users' } })
    expect(rows.filter((row) => row.includes('new') || row.includes('churned'))).toEqual([
      '2024-03 new 3 0.25 3 4 true',
      '2024-03 churned 3 0.25 2 0 true',
      '2024-04 new 1 0.0833 0 2 false',
      '2024-04 churned 2 0.1667 0 1 false',
    ])
  })

  it('has a matrix of who went where, of which each row comes to all who were in it', async () => {
    const rows = await ask({ since: '2024-04-01', options: { history: 'moves' } })
    expect(rows).toEqual([
      'power power 1 1',
      'casual power 1 0.2',
      'casual casual 3 0.6',
      'casual at_risk 1 0.2',
      'new casual 2 0.6667',
      'new new 1 0.3333',
      'churned casual 1 0.3333',
      'churned churned 2 0.6667',
    ])
    expect(
      (await ask({ since: '2024-03-01', by: ['time:month'], options: { history: 'moves' } })).filter((row) => row.startsWith('2024-04')),
    ).toEqual(rows.map((row) => `2024-04 ${row}`))
    expect(
      (await ask({ since: '2024-03-01', until: '2024-03-31', options: { history: 'moves' } })).filter((row) => row.startsWith('(none)')),
    ).toEqual(['(none) new 3 1'])
  })

  it('is of those users that a filter chooses', async () => {
    const rows = await ask({ since: '2024-04-01', where: 'plan = old', options: { history: 'moves' } })
    // u03 of the old ones made no call in April, so it is not meant.
    expect(rows.reduce((sum, row) => sum + Number(row.split(' ')[2]), 0)).toBe(4)
  })

  it('is refused where it would be too long, and an interval without it', async () => {
    await expect(ask({ since: '2022-01-01', options: { history: 'users' } })).rejects.toThrow('more than 400 days')
    await expect(ask({ by: ['time:day'] })).rejects.toThrow('--history')
    await expect(ask({ options: { history: 'userz' } })).rejects.toThrow('Did you mean "users"?')
  })
})
