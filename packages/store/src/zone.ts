/** Days and months of a time zone. Days of 23 and 25 hours, and zones at :30 and :45, come out right. */
export interface Zone {
  /** IANA name. */
  readonly name: string
  /** The local day of an instant as `yyyymmdd`, a number: 2026-01-31 is 20260131. */
  day(ms: number): number
  /** The first instant of a local day. */
  startOfDay(day: number): number
}

/** The month bucket of a day: 20260131 -> 20260100. */
export function monthOf(day: number): number {
  return Math.floor(day / 100) * 100
}

/** The day `n` days after (before, where negative) a day. */
export function addDays(day: number, n: number): number {
  return ofUtc(toUtc(day) + n * 86_400_000)
}

/** A day as `2026-01-31`. */
export function formatDay(day: number): string {
  const text = String(day).padStart(8, '0')
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`
}

/** @throws RangeError when the runtime does not know the zone */
export function openZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: name, year: 'numeric', month: '2-digit', day: '2-digit' })
  // Zones change their offset only at whole quarters of an hour (Lord Howe by 30 minutes, Nepal stands at :45), so one
  // answer holds for the quarter; years of quarters stay small.
  const dayByQuarter = new Map<number, number>()
  const day = (ms: number): number => {
    const quarter = Math.floor(ms / 900_000)
    let known = dayByQuarter.get(quarter)
    if (known === undefined) {
      if (dayByQuarter.size > 100_000) dayByQuarter.clear()
      known = name === 'UTC' ? ofUtc(ms) : Number(format.format(ms).replaceAll('-', ''))
      dayByQuarter.set(quarter, known)
    }
    return known
  }
  return {
    name,
    day,
    startOfDay: (wanted) => {
      // The first quarter of the day lies within 15 hours of midnight UTC of the same date; days grow with time.
      let low = Math.floor((toUtc(wanted) - 15 * 3_600_000) / 900_000)
      let high = low + 30 * 4
      while (low < high) {
        const middle = (low + high) >> 1
        if (day(middle * 900_000) >= wanted) high = middle
        else low = middle + 1
      }
      return low * 900_000
    },
  }
}

function toUtc(day: number): number {
  return Date.UTC(Math.floor(day / 10_000), Math.floor((day % 10_000) / 100) - 1, day % 100)
}

function ofUtc(ms: number): number {
  const date = new Date(ms)
  return date.getUTCFullYear() * 10_000 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate()
}
