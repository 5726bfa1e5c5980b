import type { Row } from '@spanledger/analytics'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** How the step after one is written. Months and local days are dates without a clock, so UTC counts them. */
const nextSteps: Readonly<Record<string, (value: string) => string>> = {
  minute: (value) => new Date(Date.parse(value) + MINUTE_MS).toISOString(),
  hour: (value) => new Date(Date.parse(value) + 60 * MINUTE_MS).toISOString(),
  day: (value) => new Date(Date.parse(value) + DAY_MS).toISOString().slice(0, 10),
  week: (value) => new Date(Date.parse(value) + 7 * DAY_MS).toISOString().slice(0, 10),
  month: (value) => {
    const date = new Date(`${value}-01T00:00:00Z`)
    return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)).toISOString().slice(0, 7)
  },
}
const MAX_STEPS = 20_000

/** The rows in the order of time, with a row that says nothing else for every step that has none: a line over it is to be broken. */
export function everyStep(rows: readonly Row[], key: string): readonly Row[] {
  const next = nextSteps[key]
  const sorted = rows.toSorted((a, b) => (String(a[key]) < String(b[key]) ? -1 : String(a[key]) > String(b[key]) ? 1 : 0))
  if (next === undefined) return sorted
  const whole: Row[] = sorted.slice(0, 1)
  for (const row of sorted.slice(1)) {
    let at = next(String(whole.at(-1)?.[key]))
    for (let steps = 0; at < String(row[key]) && steps < MAX_STEPS; steps++) {
      whole.push({ [key]: at })
      at = next(at)
    }
    whole.push(row)
  }
  return whole
}
