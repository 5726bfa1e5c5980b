import type { Zone } from '@spanledger/store'

import type { Period } from './period.ts'
import { QueryError } from './query-error.ts'

/** Steps of time that calls can be split by. */
export const timeSteps = ['minute', 'hour', 'day', 'week', 'month'] as const
/** `sunday_week` is what `week` means where weeks start on Sunday. */
export type TimeStep = (typeof timeSteps)[number] | 'sunday_week'

/** On which day weeks start; the first unless told otherwise. */
export const weekStarts = ['monday', 'sunday'] as const
export type WeekStart = (typeof weekStarts)[number]

/** Steps that are parts of an hour's or a day's instants, and no local days. */
type ShortStep = 'minute' | 'hour'

export function isShort(step: TimeStep): step is ShortStep {
  return step === 'minute' || step === 'hour'
}

/**
 * The offsets of a zone from UTC during a period, each from `sinceMs` on. With them a database that knows no zones can
 * tell local days.
 */
export interface ZoneOffset {
  readonly sinceMs: number
  readonly offsetMs: number
}

const DAY_MS = 86_400_000
const shortStepMs: Readonly<Record<ShortStep, number>> = { minute: 60_000, hour: 3_600_000 }

/** All offsets that hold somewhere in a period, the earliest first. */
export function zoneOffsets(zoneName: string, { fromMs, toMs }: Period): ZoneOffset[] {
  const offsetAt = offsetReader(zoneName)
  const offsets: ZoneOffset[] = [{ sinceMs: fromMs, offsetMs: offsetAt(fromMs) }]
  for (let at = fromMs; at < toMs; at += DAY_MS) {
    const next = Math.min(at + DAY_MS, toMs)
    if (offsetAt(next) === offsetAt(at)) continue
    let [low, high] = [at, next]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (offsetAt(middle) === offsetAt(at)) low = middle
      else high = middle
    }
    offsets.push({ sinceMs: high, offsetMs: offsetAt(high) })
  }
  return offsets
}

function offsetReader(zoneName: string): (ms: number) => number {
  if (zoneName === 'UTC') return () => 0
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zoneName,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
    const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
    return local - Math.floor(ms / 1000) * 1000
  }
}

/**
 * The key that all instants of a bucket share: of a minute and an hour its first instant (an hour that a clock repeats is two), of a
 * day the number of days since 1970, of a week that of weeks (1970-01-05 was a Monday, the day before a Sunday), of a month `yyyymm`.
 */
function timeKey(step: TimeStep, ms: number, offsetMs: number): number {
  const localMs = ms + offsetMs
  const day = Math.floor(localMs / DAY_MS)
  if (isShort(step)) {
    const lengthMs = shortStepMs[step]
    return ms - (((localMs % lengthMs) + lengthMs) % lengthMs)
  }
  if (step === 'day') return day
  if (step === 'week') return Math.floor((day + 3) / 7)
  if (step === 'sunday_week') return Math.floor((day + 4) / 7)
  const date = new Date(day * DAY_MS)
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1
}

/** The key of the bucket that holds a whole local day, given as `yyyymmdd`. */
export function timeKeyOfDay(step: Exclude<TimeStep, ShortStep>, day: number): number {
  return timeKey(step, Date.UTC(Math.floor(day / 10_000), (Math.floor(day / 100) % 100) - 1, day % 100), 0)
}

/** How a bucket is shown: a minute and an hour by their first instant, a day and a week by their (first) date, a month as `2026-01`. */
export function timeLabel(step: TimeStep, key: number): string {
  if (isShort(step)) return new Date(key).toISOString()
  if (step === 'month') return `${Math.floor(key / 100)}-${String(key % 100).padStart(2, '0')}`
  const day = step === 'day' ? key : key * 7 - (step === 'week' ? 3 : 4)
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}

/** The first instant after the bucket that holds the last instant of a period. */
export function endOfLastBucket(step: TimeStep, toMs: number, zone: Zone): number {
  const last = toMs - 1
  const [offset] = zoneOffsets(zone.name, { fromMs: last, toMs: last })
  if (isShort(step)) return timeKey(step, last, offset?.offsetMs ?? 0) + shortStepMs[step]
  const key = timeKeyOfDay(step, zone.day(last))
  const next = step === 'month' ? nextMonth(key) : timeLabel(step, key + 1)
  return zone.startOfDay(Number(next.replaceAll('-', '')))
}

function nextMonth(key: number): string {
  return `${timeLabel('month', nextKey('month', key))}-01`
}

function nextKey(step: Exclude<TimeStep, ShortStep>, key: number): number {
  return step === 'month' && key % 100 === 12 ? key + 89 : key + 1
}

/** Minutes and hours that one answer may touch: two weeks of minutes, two years of hours. */
const MAX_SHORT_STEPS = 20_160

/** @throws QueryError for a split into more minutes or hours than anybody reads, or a page can hold */
export function checkSteps(step: TimeStep, { fromMs, toMs }: Period): void {
  if (!isShort(step)) return
  const steps = Math.ceil((toMs - fromMs) / shortStepMs[step])
  if (steps <= MAX_SHORT_STEPS) return
  const longer = step === 'minute' ? 'time:hour' : 'time:day'
  const days = Math.floor((MAX_SHORT_STEPS * shortStepMs[step]) / DAY_MS)
  throw new QueryError(
    `time:${step} would split this period into ${steps} parts; at most ${MAX_SHORT_STEPS} are allowed. Split by ${longer}, or give a period of at most ${days} days, such as last ${days}d.`,
    { given: `time:${step}`, allowed: [longer] },
  )
}

/** The keys of all buckets that a period touches, in the order of time. */
export function timeKeysOf(step: TimeStep, period: Period, zone: Zone): Set<number> {
  if (isShort(step)) return shortKeysOf(step, period, zone)
  const keys = new Set<number>()
  const last = timeKeyOfDay(step, zone.day(Math.max(period.toMs - 1, period.fromMs)))
  for (let key = timeKeyOfDay(step, zone.day(period.fromMs)); key <= last; key = nextKey(step, key)) keys.add(key)
  return keys
}

function shortKeysOf(step: ShortStep, period: Period, zone: Zone): Set<number> {
  const keys = new Set<number>()
  const offsets = zoneOffsets(zone.name, period)
  for (const [n, { sinceMs, offsetMs }] of offsets.entries()) {
    const endMs = offsets[n + 1]?.sinceMs ?? period.toMs
    for (let key = timeKey(step, sinceMs, offsetMs); key < endMs; key += shortStepMs[step]) keys.add(key)
  }
  return keys
}
