import type { SignUp } from '../segments/sign-up.ts'

/** A user who came, and when. Days are local, numbered from 1970-01-01. */
export interface Person {
  readonly user: string
  /** The day from which the user's own days are counted: that of the sign-up where it is known, else of the first call. */
  readonly beginDay: number
  readonly beginMs: number
  readonly signUp: SignUp | undefined
  /** The first instants of the user's own days 7 and 14. */
  readonly secondWeek: readonly [fromMs: number, toMs: number]
}

/** What a report about the way of users needs to know of time. */
export interface JourneyTime {
  /** The local day of an instant. */
  readonly dayOf: (ms: number) => number
  readonly asOfMs: number
  /** The first day that is not over. */
  readonly asOfDay: number
  /** What is looked at of each user: its own days 0 up to this one, which is no longer one of them. */
  readonly withinDays: number
}

/** A user's own day of an instant: 0 is the first. What was before counts as then. */
export function ownDay({ beginDay }: Person, ms: number, { dayOf }: Pick<JourneyTime, 'dayOf'>): number {
  return Math.max(0, dayOf(ms) - beginDay)
}

/** Whether all of the user's days that are looked at are over: only then it can be said that something did not happen in them. */
export function isWatched({ beginDay }: Person, { asOfDay, withinDays }: Pick<JourneyTime, 'asOfDay' | 'withinDays'>): boolean {
  return beginDay + withinDays <= asOfDay
}

const DAY_S = 86_400

/** Seconds from the begin to an instant; where only the day of the sign-up is known, whole days. */
export function secondsSince(person: Person, ms: number, time: Pick<JourneyTime, 'dayOf'>): number {
  return person.signUp?.isDate === true ? ownDay(person, ms, time) * DAY_S : Math.max(0, ms - person.beginMs) / 1000
}
