/** Prices are whole multiples of 1e-18 USD per million units: exact for every price on a list, and for such times a factor. */
const DECIMALS = 18
const ONE = 10n ** BigInt(DECIMALS)

/** `numerator / PRICE_PER_NANO_USD` is nano-USD, where numerator = units × scaled price per million. */
export const PRICE_PER_NANO_USD = (ONE * 1_000_000n) / 1_000_000_000n

/**
 * A decimal, as text or as a number by its shortest decimal text, as a whole number of 1e-18.
 * @returns undefined for what is no decimal from 0 to below 1e9, or has more than 18 decimals: a price is never rounded
 */
export function parseDecimal(value: unknown): bigint | undefined {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : ''
  const match = /^(\d{1,9})(?:\.(\d{1,30}))?(?:e([+-]?\d{1,2}))?$/i.exec(text)
  if (match === null) return undefined
  const [, whole = '', fraction = '', exponent = '0'] = match
  const shift = DECIMALS + Number(exponent) - fraction.length
  const digits = BigInt(whole + fraction)
  if (shift >= 0) return shift <= DECIMALS + 9 ? digits * 10n ** BigInt(shift) : undefined
  const divisor = 10n ** BigInt(-shift)
  return digits % divisor === 0n ? digits / divisor : undefined
}

/** The shortest decimal text of a scaled number: `3750000000000000000n` is `3.75`. */
export function formatDecimal(scaled: bigint): string {
  const whole = scaled / ONE
  const fraction = (scaled % ONE).toString().padStart(DECIMALS, '0').replace(/0+$/, '')
  return fraction === '' ? whole.toString() : `${whole}.${fraction}`
}

/** The product of two scaled numbers, or undefined where it has more than 18 decimals. */
export function multiplyDecimals(one: bigint, other: bigint): bigint | undefined {
  const product = one * other
  return product % ONE === 0n ? product / ONE : undefined
}
