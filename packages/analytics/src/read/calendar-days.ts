import { addDays, type Zone } from '@spanledger/store'

import { daysBetween, type Period } from '../query/period.ts'

/** Local days of a period, from that of somebody's first call where it lies in it: at least 1. Asked of one user after the other. */
export function calendarDaysOf(zone: Zone, period: Period): (firstMs: number | undefined) => number {
  const { fromMs } = period
  const daysFrom = calendarDaysFrom(zone, period)
  // Users begin on far fewer days than there are users.
  const known = new Map<number, number>()
  return (firstMs) => {
    const first = zone.day(Math.max(fromMs, firstMs ?? fromMs))
    const days = known.get(first) ?? daysFrom(first)
    known.set(first, days)
    return days
  }
}

/** Local days of a period from one of its days on. */
export function calendarDaysFrom(zone: Zone, { fromMs, toMs }: Period): (day: number) => number {
  const end = addDays(zone.day(Math.max(toMs - 1, fromMs)), 1)
  return (day) => Math.max(daysBetween(day, end), 1)
}
