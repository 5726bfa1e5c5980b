import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { addDays, decodeCounts, formatDay, monthOf, openZone, quantileMs } from '../src/index.ts'
import { durationBucket, encodeCounts, mergeCounts } from '../src/rollups/counts.ts'

const someCounts = fc.array(fc.tuple(fc.nat({ max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 45 })), { maxLength: 40 })

describe('packed counts', () => {
  it('read back as what was packed, in equal bytes whatever the order', () => {
    fc.assert(
      fc.property(someCounts, (pairs) => {
        const counts = new Map(pairs)
        const bytes = encodeCounts(counts)
        expect(decodeCounts(bytes)).toEqual(new Map([...counts].sort(([a], [b]) => a - b)))
        expect(encodeCounts(new Map([...counts].toReversed()))).toEqual(bytes)
      }),
    )
  })

  it('merge like counting all at once, and take away what was added', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 3000 })), fc.array(fc.nat({ max: 3000 })), (first, second) => {
        const once = mergeCounts('', [...first, ...second])
        expect(mergeCounts(mergeCounts('', first), second)).toBe(once)
        expect(mergeCounts(once, [], second)).toBe(mergeCounts('', first))
      }),
    )
  })

  it('refuse bytes that end in the middle of a number', () => {
    expect(() => decodeCounts(Uint8Array.from([0x80]))).toThrow(RangeError)
  })

  it('give quantiles within 1.1 % of the exact ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3_600_000 }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (durations, q) => {
          const counts = new Map<number, number>()
          for (const ms of durations) counts.set(durationBucket(ms), (counts.get(durationBucket(ms)) ?? 0) + 1)
          const exact = [...durations].sort((a, b) => a - b)[Math.max(1, Math.ceil(q * durations.length)) - 1] ?? 0
          const found = quantileMs(counts, q) ?? 0
          expect(Math.abs(found - exact) / exact).toBeLessThanOrEqual(0.011)
        },
      ),
    )
    expect(quantileMs(new Map(), 0.5)).toBeUndefined()
    expect(quantileMs(new Map([[durationBucket(0), 3]]), 0.5)).toBe(0)
  })
})

describe('days of a zone', () => {
  const zones = [
    'UTC',
    'America/New_York',
    'Asia/Kathmandu',
    'Asia/Kolkata',
    'Australia/Lord_Howe',
    'America/St_Johns',
    'Pacific/Apia',
    'Europe/Berlin',
    'Pacific/Chatham',
  ]

  it.each(zones)('are those Intl names, in %s', (name) => {
    const zone = openZone(name)
    const intl = new Intl.DateTimeFormat('en-CA', { timeZone: name, year: 'numeric', month: '2-digit', day: '2-digit' })
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2010, 0, 1), max: Date.UTC(2040, 0, 1) }), (ms) => {
        expect(formatDay(zone.day(ms))).toBe(intl.format(ms))
      }),
    )
  })

  it.each(zones)('start at an instant of that day, the one before being of another, in %s', (name) => {
    const zone = openZone(name)
    for (let day = 20260101, n = 0; n < 366; day = addDays(day, 1), n++) {
      const start = zone.startOfDay(day)
      expect(zone.day(start)).toBe(day)
      expect(zone.day(start - 1)).toBe(addDays(day, -1))
    }
  })

  it('have 23 and 25 hours where the clock changes', () => {
    const zone = openZone('America/New_York')
    const hours = (day: number): number => (zone.startOfDay(addDays(day, 1)) - zone.startOfDay(day)) / 3_600_000
    expect([hours(20240309), hours(20240310), hours(20241103)]).toEqual([24, 23, 25])
  })

  it('step over ends of months and leap days', () => {
    expect([addDays(20240228, 1), addDays(20240301, -1), addDays(20251231, 1), monthOf(20240229)]).toEqual([
      20240229, 20240229, 20260101, 20240200,
    ])
  })

  it('are refused for a zone that nobody knows', () => {
    expect(() => openZone('Mars/Olympus')).toThrow(RangeError)
  })
})
