const DAY_MS = 86_400_000

/** A month of which limits are, as days since 1970: from its first to the first of the next. */
export interface BillingMonth {
  readonly from: number
  readonly until: number
}

/**
 * The month that holds a day, of months that begin on a day of the calendar's, 1 to 31: in a month that is shorter, on its last day, so
 * that one that begins on the 31st begins on February 28, and the next on March 31.
 */
export function billingMonth(anchorDay: number, today: number): BillingMonth {
  const begins = (month: number): number => {
    const first = Date.UTC(1970, month, 1) / DAY_MS
    const days = Date.UTC(1970, month + 1, 1) / DAY_MS - first
    return first + Math.min(anchorDay, days) - 1
  }
  const date = new Date(today * DAY_MS)
  const month = (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
  const running = begins(month) <= today ? month : month - 1
  return { from: begins(running), until: begins(running + 1) }
}
