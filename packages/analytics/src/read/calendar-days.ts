import { addDays, type Zone } from '@spanledger/store'

import { daysBetween, type Period } from '../query/period.ts'

/** Local days of a period, from that of somebody's first call where it lies in it: at least 1. */
export function calendarDays(zone: Zone, { fromMs, toMs }: Period, firstMs: number | undefined): number {
  const first = zone.day(Math.max(fromMs, firstMs ?? fromMs))
  const end = addDays(zone.day(Math.max(toMs - 1, fromMs)), 1)
  return Math.max(daysBetween(first, end), 1)
}
