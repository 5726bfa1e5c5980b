/**
 * Money is integer nano-USD: 1e-9 USD. A call's cost fits a double exactly up to 9 million USD (2^53 - 1 nano-USD);
 * sums that may pass that are bigint.
 */
export const NANO_USD_PER_USD = 1_000_000_000n

/**
 * A decimal USD amount, as a number or in text, in nano-USD, rounded half-even.
 * @returns undefined for what is no finite amount from 0 to 9,000,000 USD. Never throws.
 */
export function parseUsd(value: unknown): number | undefined {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
  const match = /^(\d{1,15})(?:\.(\d{0,400}))?(?:e([+-]?\d{1,3}))?$/i.exec(text)
  if (match === null) return undefined
  const [, whole = '0', fraction = '', exponent = '0'] = match
  const scale = 9 + Number(exponent) - fraction.length
  const digits = BigInt(whole + fraction)
  const nano = scale >= 0 ? digits * 10n ** BigInt(scale) : divideHalfEven(digits, 10n ** BigInt(-scale))
  return nano <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(nano) : undefined
}

/** Nano-USD as decimal USD with nine decimals: `54399000` is `0.054399000`. */
export function formatUsd(nanoUsd: number | bigint): string {
  const nano = BigInt(nanoUsd)
  const digits = (nano < 0n ? -nano : nano).toString().padStart(10, '0')
  return `${nano < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`
}

/** `dividend / divisor` to the nearest integer, halves to the even one. Both not negative, the divisor above 0. */
export function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor
  const twice = (dividend % divisor) * 2n
  return twice > divisor || (twice === divisor && quotient % 2n === 1n) ? quotient + 1n : quotient
}
