/**
 * The most tokens one call may report in one count; more is a fault of the emitter, not a bill. The largest context
 * window on sale is 10 million (2026-11-20), so this leaves a factor of 100.
 */
export const MAX_TOKEN_COUNT = 1_000_000_000

/**
 * A token count as spans carry it: an integer, an integer in a string (OTLP/JSON writes 64-bit integers so), a bigint,
 * or a double without a fraction.
 * @returns the count, or undefined when there is none, or it is negative, fractional, not finite, or above
 * MAX_TOKEN_COUNT. Never clamps: a clamped count would be billed. Never throws.
 */
export function readTokenCount(value: unknown): number | undefined {
  const count =
    typeof value === 'number'
      ? value
      : typeof value === 'bigint'
        ? Number(value)
        : typeof value === 'string' && /^\d{1,10}$/.test(value)
          ? Number(value)
          : Number.NaN
  return Number.isInteger(count) && count >= 0 && count <= MAX_TOKEN_COUNT ? count : undefined
}
