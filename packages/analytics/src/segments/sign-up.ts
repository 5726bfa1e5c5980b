/** When a user signed up: an instant, or a local day. */
export interface SignUp {
  readonly ms: number
  /** Only the day is known; `ms` is its first instant. */
  readonly isDate: boolean
}

/** Up to how much later than the first call a sign-up may be told: clocks differ, and dates have no zone. */
const TOLERANCE_DAYS = 1

/** Whether a sign-up can be that of a user whose first call was on a day. */
export function mayBeSignUpOf(signUpDay: number, firstDay: number | undefined): boolean {
  return firstDay === undefined || signUpDay <= firstDay + TOLERANCE_DAYS
}
