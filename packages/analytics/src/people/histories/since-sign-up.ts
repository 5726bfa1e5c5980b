import type { UserHistory } from '../../behavior/user-history.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { Frame } from '../../read/frame.ts'
import { choiceOf, type GivenOptions } from '../../report-options.ts'
import { readSignUps, type BadSignUps } from '../../read/read-sign-ups.ts'
import { mayBeSignUpOf } from '../../segments/sign-up.ts'

export interface Counted {
  readonly histories: readonly UserHistory[]
  /** Undefined where sign-ups were not looked at. */
  readonly badSignUps: BadSignUps | undefined
}

/**
 * Users who called, counted from the sign-up where it is known and lies before the first call; with `--begin first_call` as they
 * are. (One that lies a day after it, which clocks and zones bring about, would make somebody new who was there before.)
 */
export async function sinceSignUp(frame: Frame, histories: readonly UserHistory[], options: GivenOptions): Promise<Counted> {
  if (choiceOf(options, 'begin') === 'first_call') return { histories, badSignUps: undefined }
  const { signUps, unreadable } = await readSignUps(frame)
  if (signUps.size === 0) return { histories, badSignUps: { unreadable, late: 0 } }
  let late = 0
  const counted = histories.map((history): UserHistory => {
    const said = signUps.get(Number(history.user))
    if (said === undefined) return history
    const day = timeKeyOfDay('day', frame.zone.day(said.ms))
    if (!mayBeSignUpOf(day, history.firstDay)) late++
    return day < history.firstDay ? { ...history, firstDay: day } : history
  })
  return { histories: counted, badSignUps: { unreadable, late } }
}
