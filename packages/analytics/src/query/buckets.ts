import { addDays, monthOf, openZone, type Store, type Zone } from '@spanledger/store'

import type { Period } from './period.ts'
import { isShort, timeKeyOfDay, type TimeStep } from './time-bucket.ts'

/** The days and months of rollups that make up a period exactly. */
export interface Buckets {
  /**
   * Pairs of rollup bucket and time key. Whole months are one bucket where the step allows, but not where `packed` counts of
   * users are read: only their days have them.
   */
  readonly pairs: (step: TimeStep | undefined, packed?: 'packed') => readonly (readonly [bucket: number, timeKey: number])[]
}

/**
 * The rollup buckets that hold exactly the calls of a period. A period that begins or ends within a day is one too where no
 * call stands between it and the day's bound; so is, with months, one that ends within the month that is running.
 * @returns undefined where only the calls can tell
 */
export async function bucketsOf(store: Store, period: Period, zone: Zone): Promise<Buckets | undefined> {
  if (zone.name !== store.timeZone) return undefined
  const { fromMs, toMs } = period
  if (toMs <= fromMs) return undefined
  const days = { first: zone.day(fromMs), end: addDays(zone.day(toMs - 1), 1) }
  const months = { first: monthOf(days.first) + 1, end: nextMonth(addDays(days.end, -1)) }
  const gaps = [
    [zone.startOfDay(days.first), fromMs],
    [toMs, zone.startOfDay(days.end)],
    [zone.startOfDay(months.first), fromMs],
    [toMs, zone.startOfDay(months.end)],
  ]
  const [row] = await store.all<{ found: string }>(
    `SELECT json_group_array(EXISTS (SELECT 1 FROM llm_calls WHERE start_ms >= g.value->>0 AND start_ms < g.value->>1)) AS found FROM json_each(?) AS g`,
    JSON.stringify(gaps),
  )
  const [beforeDay, afterDay, beforeMonth, afterMonth] = JSON.parse(row?.found ?? '[1,1,1,1]') as number[]
  if (beforeDay === 1 || afterDay === 1) return undefined
  const first = beforeMonth === 0 ? months.first : days.first
  const end = afterMonth === 0 ? months.end : days.end
  return { pairs: (step, packed) => pairsOf({ first, end, step, byDay: packed !== undefined }) }
}

interface Pairing {
  readonly first: number
  readonly end: number
  readonly step: TimeStep | undefined
  readonly byDay: boolean
}

function pairsOf({ first, end, step, byDay }: Pairing): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = []
  const byMonth = !byDay && (step === undefined || step === 'month')
  for (let day = first; day < end;) {
    const timeKey = step === undefined || isShort(step) ? 0 : timeKeyOfDay(step, day)
    const next = nextMonth(day)
    if (byMonth && day % 100 === 1 && next <= end) {
      pairs.push([monthOf(day), timeKey])
      day = next
    } else {
      pairs.push([day, timeKey])
      day = addDays(day, 1)
    }
  }
  return pairs
}

/** The first day of the month after a day; from a first day, 31 days on is always in the next month. */
function nextMonth(day: number): number {
  return monthOf(addDays(monthOf(day) + 1, 31)) + 1
}

const zones = new Map<string, Zone>()

/** Zones remember days they have computed, so one of each is kept. @throws RangeError for a zone the runtime does not know */
export function zoneOf(name: string): Zone {
  let zone = zones.get(name)
  if (zone === undefined) {
    zone = openZone(name)
    zones.set(name, zone)
  }
  return zone
}
