/** What a JavaScript date can say, either side of 1970. */
const MAX_DATE_MS = 8.64e15
const NANOS_PER_MS = 1_000_000

/**
 * Nanoseconds as milliseconds whose integer part is exact, because it is part of the key of a call. The fraction is cut to
 * 1/1024 ms: at today's dates a double has no room for more, and .9999999 ms would become the next millisecond. The same is
 * done to spans of an app's own SDK.
 */
function joinMs(wholeMs: number, restNanos: number): number {
  return wholeMs + Math.floor((restNanos * 1024) / NANOS_PER_MS) / 1024
}

/** From the two halves of a fixed64. */
export function msOfHalves(low: number, high: number): number {
  // 2^32 ns are 4,294 ms and 967,296 ns: no term leaves the integers that a double holds.
  const restNanos = high * 967_296 + low
  return joinMs(high * 4294 + Math.floor(restNanos / NANOS_PER_MS), restNanos % NANOS_PER_MS)
}

/**
 * From what JSON has for a fixed64: a decimal text, or a number, which has lost its last digits by then.
 * @returns undefined for what is none
 */
export function msOfJson(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : typeof value === 'string' ? value : bigText(value)
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined
  const wholeMs = Number(text.slice(0, -6))
  return wholeMs > MAX_DATE_MS ? undefined : joinMs(wholeMs, Number(text.slice(-6)))
}

function bigText(value: unknown): string | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? BigInt(value).toString() : undefined
}
