import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics } from '../../src/index.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'
import { readPlainCalls, type PlainCall } from '../naive.ts'
import { AS_OF, randomCalls, zones } from '../random-ledger.ts'

/** What each user's zone is said to be: by a trait, by the calls, or as no zone at all. */
const ownZone: Readonly<Record<string, string>> = { ada: 'Asia/Kathmandu', bob: 'America/St_Johns', eve: 'Mars/Olympus' }

let store: Store
let plain: PlainCall[]
beforeAll(async () => {
  const ofBob = { TimeZone: 'America/St_Johns' }
  const withZone = (call: CallWords): CallWords =>
    call.user === 'bob' ? Object.assign({}, call, { properties: Object.assign({}, call.properties, ofBob) }) : call
  store = await ledgerOf(randomCalls.map(withZone))
  for (const [user, value] of Object.entries(ownZone)) if (user !== 'bob') await store.writeTraits([{ user, name: 'timezone', value }])
  plain = await readPlainCalls(store)
})
afterAll(() => store.close())

/** Making one costs as much as a hundred readings of it. */
const clocks = new Map<string, Intl.DateTimeFormat>()

function hourAt(ms: number, timeZone: string): number {
  let clock = clocks.get(timeZone)
  if (clock === undefined) clocks.set(timeZone, (clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' })))
  return Number(clock.format(ms))
}

/** The three hours with most calls, the earlier of equals. */
function peaks(calls: readonly PlainCall[], zoneOf: (user: string) => string, came: (hour: number) => number = () => 1): string {
  const hours = calls.flatMap(({ user, startMs }) => (user === null ? [] : [hourAt(startMs, zoneOf(user))]))
  const counts = Array.from({ length: 24 }, (_, hour) => ({ hour, n: hours.filter((one) => one === hour).length / came(hour) })).filter(
    ({ n }) => n > 0,
  )
  const most = counts.toSorted((a, b) => b.n - a.n || a.hour - b.hour).slice(0, 3)
  return most
    .map(({ hour }) => hour)
    .toSorted((a, b) => a - b)
    .join(', ')
}

/** How often each hour of the day came, in quarters of an hour. */
function comingsIn(fromMs: number, toMs: number, timeZone: string): (hour: number) => number {
  const counts = new Map<number, number>()
  for (let ms = Math.floor(fromMs / 900_000) * 900_000; ms < toMs; ms += 900_000)
    counts.set(hourAt(ms, timeZone), (counts.get(hourAt(ms, timeZone)) ?? 0) + 1)
  return (hour) => (counts.get(hour) ?? 0) / 4
}

it("hours of users' own zones are those of every call by itself, and others are as they were", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...zones),
      fc.constantFrom(undefined, 'ada', 'bob', 'eve', 'Zoë 😀'),
      fc.constantFrom(undefined, 'plan = pro', 'latency_ms > 40000'),
      fc.integer({ min: 3, max: 90 }),
      async (timeZone, user, where, days) => {
        const analytics = openAnalytics(store, { now: () => AS_OF, timeZone })
        const params = { last: `${days}d`, ...(user === undefined ? {} : { user }), ...(where === undefined ? {} : { where }) }
        const [own] = (await analytics.report('behavior', { ...params, options: { hours: 'user' } })).rows
        const [plainly] = (await analytics.report('behavior', params)).rows
        const { meta } = await analytics.report('behavior', params)
        const chosen = plain.filter(
          (call) =>
            call.startMs >= Date.parse(meta.from) &&
            call.startMs < AS_OF &&
            (user === undefined || call.user === user) &&
            (where !== 'plan = pro' || call.properties['plan'] === 'pro') &&
            (where !== 'latency_ms > 40000' || call.latencyMs > 40_000),
        )
        const inOwn = (name: string): string => (name === 'eve' ? timeZone : (ownZone[name] ?? timeZone))
        expect(own?.['peak_hours'] ?? '').toBe(peaks(chosen, inOwn))
        expect(plainly?.['peak_hours'] ?? '').toBe(peaks(chosen, () => timeZone))
        const [evenly] = (await analytics.report('behavior', { ...params, options: { hours: 'normalized' } })).rows
        expect(evenly?.['peak_hours'] ?? '').toBe(peaks(chosen, () => timeZone, comingsIn(Date.parse(meta.from), AS_OF, timeZone)))
        expect({ ...own, peak_hours: '' }).toEqual({ ...plainly, peak_hours: '' })
      },
    ),
    { numRuns: 60 },
  )
})

it('says of how many users the zone is known, and tells the nested object so too', async () => {
  const analytics = openAnalytics(store, { now: () => AS_OF, timeZone: 'UTC' })
  const { meta } = await analytics.report('behavior', { options: { hours: 'user' } })
  expect(meta.warnings).toContain('hours are of the own zone of 2 of 4 users, of UTC for the others')
  expect((await analytics.report('behavior')).meta.warnings.join()).not.toContain('own zone')
  const { seed } = await analytics.report('behavior', { user: 'ada', options: { hours: 'user', shape: 'seed' } })
  const own = plain.filter(({ user, startMs }) => user === 'ada' && startMs < AS_OF)
  expect(seed).toMatchObject({
    user_behavior: {
      peak_usage_hours: peaks(own, () => 'Asia/Kathmandu')
        .split(', ')
        .map(Number),
    },
  })
  const empty = await ledgerOf([])
  expect((await openAnalytics(empty, { now: () => AS_OF }).report('behavior', { options: { hours: 'user' } })).rows).toEqual([])
  await empty.close()
  await expect(analytics.report('models', { options: { hours: 'user' } })).rejects.toThrow('hours')
})
