import { addDays, type Zone } from '@spanledger/store'

import { sql, type Fragment } from '../ledger/fragment.ts'
import { readRows } from '../ledger/snapshot.ts'
import type { ScopeWords } from '../plan/scope-of.ts'
import type { SignUp } from '../segments/sign-up.ts'
import { readUserValues } from './read-user-values.ts'

/** When users signed up, by id, as far as anybody said; and of how many it cannot be read. */
export interface SignUps {
  readonly signUps: ReadonlyMap<number, SignUp>
  readonly unreadable: number
}

/** Under which names apps keep it, canonical; `SignupDate` is the usual one. */
const signUpKeys = ['signupdate', 'signup_date']
/** Milestones that are a sign-up. */
export const signUpMilestones = ['signup', 'sign_up', 'signed_up']

/**
 * Reads when users signed up: a milestone `signup` says the instant; else the trait `SignupDate` does, else the latest value
 * of that property on the user's calls. What lies at `as_of` or later is not known yet.
 */
export async function readSignUps(words: ScopeWords): Promise<SignUps> {
  const { store, clock, zone } = words
  const texts = await readUserValues(words, signUpKeys, { which: 'latest', beforeMs: clock.asOfMs })
  const signUps = new Map<number, SignUp>()
  const told = await readRows<[userId: number, ms: number]>(store, milestones(clock.asOfMs))
  for (const [userId, ms] of told) signUps.set(userId, { ms, isDate: false })
  let unreadable = 0
  for (const [userId, text] of texts) {
    if (signUps.has(userId)) continue
    const signUp = parseSignUp(text, zone)
    if (signUp === undefined) unreadable++
    else if (signUp.ms < clock.asOfMs) signUps.set(userId, signUp)
  }
  return { signUps, unreadable }
}

function milestones(asOfMs: number): Fragment {
  return sql`SELECT json_group_array(json_array(user_id, ms)) AS rows FROM (
    SELECT e.user_id, min(e.start_ms) AS ms FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
    WHERE s.kind = 'milestone' AND lower(s.name) IN (SELECT value FROM json_each(${JSON.stringify(signUpMilestones)}))
      AND e.user_id <> 0 AND e.start_ms < ${asOfMs} GROUP BY e.user_id)`
}

/** A date is a local day; an instant has its offset. Undefined for what is neither, or a date that does not exist. */
function parseSignUp(text: string, zone: Zone): SignUp | undefined {
  const date = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text.trim())
  if (date !== null) {
    const day = Number(date[1]) * 10_000 + Number(date[2]) * 100 + Number(date[3])
    return addDays(day, 0) === day ? { ms: zone.startOfDay(day), isDate: true } : undefined
  }
  if (!/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/.test(text.trim())) return undefined
  const ms = Date.parse(text.trim().replace(' ', 'T'))
  return Number.isFinite(ms) ? { ms, isDate: false } : undefined
}

/** Of how many users the sign-up was left out: it cannot be read, or lies more than a day after the first call. */
export interface BadSignUps {
  readonly unreadable: number
  readonly late: number
}

/** What a reader should know of them. */
export function signUpWarnings({ unreadable, late }: BadSignUps): string[] {
  return [
    ...(unreadable === 0
      ? []
      : [`the sign-up of ${unreadable} users is neither a date (2026-01-31) nor an instant with its offset, and is left out`]),
    ...(late === 0 ? [] : [`the sign-up of ${late} users lies more than a day after their first call, and is left out`]),
  ]
}
