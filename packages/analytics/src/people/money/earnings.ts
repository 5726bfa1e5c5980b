/** What users paid, and for how long: a payment for a year is earned in twelve months. Pure. */

/** Calendar months are numbered from January of the year 0. */
export function monthNumber(year: number, month: number): number {
  return year * 12 + month - 1
}

/** `2026-01` of a month. */
export function monthLabel(month: number): string {
  return `${String(Math.floor(month / 12)).padStart(4, '0')}-${String((month % 12) + 1).padStart(2, '0')}`
}

/** What a user earned the app in one month; `userId` 0 is nobody known. */
export interface Earning {
  readonly userId: number
  readonly month: number
  readonly nanoUsd: bigint
}

/** How many months a payment is for. */
const monthsOfPeriod: Readonly<Record<string, number>> = { quarter: 3, year: 12 }

/**
 * A payment by the months that it is for, from the one in which it was made: equal parts, what is left over in the first, so that they
 * add up to it. One for a month or less, or without a period, is all of its month.
 */
export function earnedBy(payment: Earning & { readonly period: string | null }): Earning[] {
  const { userId, month, nanoUsd, period } = payment
  const months = monthsOfPeriod[period ?? ''] ?? 1
  const part = nanoUsd / BigInt(months)
  return Array.from({ length: months }, (_, n) => ({
    userId,
    month: month + n,
    nanoUsd: n === 0 ? nanoUsd - part * BigInt(months - 1) : part,
  }))
}

/** Earnings added up by month and user. */
export class Earnings {
  readonly #months = new Map<number, Map<number, bigint>>()

  add({ userId, month, nanoUsd }: Earning): void {
    let own = this.#months.get(month)
    if (own === undefined) this.#months.set(month, (own = new Map()))
    own.set(userId, (own.get(userId) ?? 0n) + nanoUsd)
  }

  get months(): Iterable<number> {
    return this.#months.keys()
  }

  /** Undefined for a month in which nothing was earned or given back. */
  total(month: number): bigint | undefined {
    const own = this.#months.get(month)
    return own === undefined ? undefined : [...own.values()].reduce((sum, amount) => sum + amount, 0n)
  }

  /** What the users of a month earned who earned more than was given back to them, by id. */
  payers(month: number): ReadonlyMap<number, bigint> {
    return new Map([...(this.#months.get(month) ?? [])].filter(([userId, amount]) => userId !== 0 && amount > 0n))
  }
}
