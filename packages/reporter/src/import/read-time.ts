/** How times of a source are written; `auto` tells them apart by their form and size. */
export const timeFormats = ['auto', 'iso', 's', 'ms', 'us', 'ns'] as const
export type TimeFormat = (typeof timeFormats)[number]

export interface TimeRules {
  readonly format: TimeFormat
  /** For times that say no offset. */
  readonly zone: LocalTimes
}

/** Instants of a zone's local times. */
export interface LocalTimes {
  /** Of a time that a clock shows twice the earlier instant, of one that it leaves out the instant as much later. */
  instantOf(localMs: number): number
}

const unitMs = { s: 1000, ms: 1, us: 1e-3, ns: 1e-6 } as const

/**
 * A time as milliseconds since 1970 UTC, with a fraction where it says more: ISO 8601 (a space instead of the `T`, any or no
 * offset, a date alone), or a count of seconds, milli-, micro- or nanoseconds. Undefined for all else.
 */
export function readTime(value: unknown, { format, zone }: TimeRules): number | undefined {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
  const count = /^-?\d{1,20}(?:\.\d+)?(?:e\+?\d{1,2})?$/i.test(text) ? text : undefined
  if (count !== undefined && format !== 'iso') return readCount(count, format)
  return format === 'auto' || format === 'iso' ? readIso(text, zone) : undefined
}

function readCount(text: string, format: Exclude<TimeFormat, 'iso'>): number | undefined {
  const count = Number(text)
  const unit = format === 'auto' ? unitOf(Math.abs(count)) : format
  // Nanoseconds since 1970 do not fit a double; what is dropped of them is below a microsecond.
  const ms = count * unitMs[unit]
  return Number.isFinite(ms) ? ms : undefined
}

/** Seconds reach 1e11 in the year 5138, and milliseconds began with it in 1973. */
function unitOf(count: number): keyof typeof unitMs {
  if (count < 1e11) return 's'
  if (count < 1e14) return 'ms'
  return count < 1e17 ? 'us' : 'ns'
}

const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$/i

function readIso(text: string, zone: LocalTimes): number | undefined {
  const match = iso.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = match
  const [y, m, d, h, min, s] = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number]
  const wholeMs = Date.UTC(y, m - 1, d, h, min, s)
  // A 31st of February is a mistake, not the 3rd of March.
  if (m < 1 || m > 12 || new Date(Date.UTC(y, m - 1, d)).getUTCDate() !== d || h > 23 || min > 59 || s > 60) return undefined
  const ms = wholeMs + (fraction === '' ? 0 : Number(`0.${fraction}`) * 1000)
  return offset === undefined ? zone.instantOf(ms) : ms - offsetMs(offset)
}

function offsetMs(offset: string): number {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(offset)
  if (match === null) return 0
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3] ?? 0)) * 60_000
}

/** Zones change their offset at whole quarters of an hour. */
const QUARTER_MS = 900_000
const MAX_KNOWN_QUARTERS = 100_000

/** @throws RangeError when the runtime does not know the zone */
export function localTimes(zoneName: string): LocalTimes {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zoneName,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  })
  const known = new Map<number, number>()
  const offsetAt = (ms: number): number => {
    const quarterMs = Math.floor(ms / QUARTER_MS) * QUARTER_MS
    let offset = known.get(quarterMs)
    if (offset === undefined) {
      const parts = new Map(format.formatToParts(quarterMs).map(({ type, value }) => [type, Number(value)]))
      const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
      offset = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute')) - quarterMs
      if (known.size >= MAX_KNOWN_QUARTERS) known.clear()
      known.set(quarterMs, offset)
    }
    return offset
  }
  return {
    instantOf: (localMs) => {
      if (!Number.isFinite(localMs) || Math.abs(localMs) > MAX_LOCAL_MS) return localMs
      // The offsets a day before and after are those on either side of a change, if there is one.
      const before = offsetAt(localMs - DAY_MS)
      const after = offsetAt(localMs + DAY_MS)
      for (const offset of [Math.max(before, after), Math.min(before, after)]) {
        if (offsetAt(localMs - offset) === offset) return localMs - offset
      }
      return localMs - before
    },
  }
}

const DAY_MS = 86_400_000
/** What a Date can hold, less two days. */
const MAX_LOCAL_MS = 8.64e15 - 2 * DAY_MS
