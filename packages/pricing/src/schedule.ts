import type { UnitPrices } from './unit-prices.ts'

/** The price of one model over time: of the entries that apply at an instant, the last one counts. */
export type Schedule = readonly ScheduleEntry[]

export interface ScheduleEntry {
  /** First day, UTC (`2026-03-13`); undefined: from ever. */
  readonly startDate: string | undefined
  readonly startMs: number
  /** Seconds of the UTC day between which the price holds, past midnight where the end is before the start. */
  readonly daily: { readonly fromSeconds: number; readonly untilSeconds: number } | undefined
  /** By length of the prompt: the last band whose `inputTokensAbove` the whole input exceeds counts; the first is for all. */
  readonly bands: readonly Band[]
  readonly source: string
  /** Whose name the price stands under. */
  readonly provider: string
  readonly model: string
}

export interface Band {
  readonly inputTokensAbove: number | undefined
  readonly prices: UnitPrices
}

const SECONDS_OF_A_DAY = 86_400

/** The entry that holds at an instant, or undefined where none does yet. */
export function entryAt<Entry extends ScheduleEntry>(schedule: readonly Entry[], atMs: number): Entry | undefined {
  for (let n = schedule.length - 1; n >= 0; n--) {
    const entry = schedule[n] as Entry
    if (atMs >= entry.startMs && (entry.daily === undefined || isBetween(entry.daily, atMs))) return entry
  }
  return undefined
}

/** A day as the instant it begins in UTC. */
export function startOfDay(date: string): number {
  return Date.parse(`${date}T00:00:00Z`)
}

/** The band with other prices. */
export function repriced(band: Band, prices: UnitPrices): Band {
  return { ...band, prices }
}

function isBetween({ fromSeconds, untilSeconds }: NonNullable<ScheduleEntry['daily']>, atMs: number): boolean {
  const seconds = (((atMs / 1000) % SECONDS_OF_A_DAY) + SECONDS_OF_A_DAY) % SECONDS_OF_A_DAY
  return untilSeconds < fromSeconds ? seconds >= fromSeconds || seconds < untilSeconds : seconds >= fromSeconds && seconds < untilSeconds
}
