import { addDays, type Zone } from '@spanledger/store'

import { scopeOf, type Frame } from '../../read/frame.ts'
import type { JourneyTime, Person } from '../../journey/person.ts'
import { readGroups } from '../../read/read-groups.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { readSignUps, type BadSignUps, type SignUps } from '../../read/read-sign-ups.ts'
import { mayBeSignUpOf } from '../../segments/sign-up.ts'

/** Who came in a period, by id. */
export interface Persons {
  readonly people: ReadonlyMap<number, Person>
  readonly badSignUps: BadSignUps
}

/**
 * Users who signed up, or first called, before `as_of` and the end of the period, and not before `from`. A filter chooses users,
 * those with a call that it lets through: what they did is told of all their calls, so that nobody's first request is one that
 * came later. `said`: sign-ups that were read already.
 */
export async function readPersons(
  frame: Frame,
  { from = Number.NEGATIVE_INFINITY, said: known }: { readonly from?: number; readonly said?: SignUps } = {},
): Promise<Persons> {
  const { clock, period, zone } = frame
  const dayOf = (ms: number): number => timeKeyOfDay('day', zone.day(ms))
  const { signUps, unreadable } = known ?? (await readSignUps(frame))
  const firstSeen = await frame.firstSeen()
  const chosen = await readChosen(frame)
  const people = new Map<number, Person>()
  let late = 0
  const secondWeekOf = secondWeeks(zone)
  for (const userId of signUps.size === 0 ? firstSeen.keys() : new Set([...firstSeen.keys(), ...signUps.keys()])) {
    if (userId === 0 || chosen?.has(userId) === false) continue
    const seenMs = firstSeen.get(userId)
    const firstMs = seenMs !== undefined && seenMs < clock.asOfMs ? seenMs : undefined
    const said = signUps.get(userId)
    const isLate = said !== undefined && !mayBeSignUpOf(dayOf(said.ms), firstMs === undefined ? undefined : dayOf(firstMs))
    if (isLate) late++
    const signUp = isLate ? undefined : said
    const beginMs = signUp?.ms ?? firstMs
    if (beginMs === undefined || beginMs < from || beginMs >= period.toMs) continue
    const begin = zone.day(beginMs)
    people.set(userId, {
      user: String(userId),
      beginMs,
      beginDay: timeKeyOfDay('day', begin),
      signUp,
      secondWeek: secondWeekOf(begin),
    })
  }
  return { people, badSignUps: { unreadable, late } }
}

/** The second week of those who began on a local day: many begin on one. */
function secondWeeks(zone: Zone): (begin: number) => Person['secondWeek'] {
  const known = new Map<number, Person['secondWeek']>()
  return (begin) => {
    let week = known.get(begin)
    if (week === undefined) known.set(begin, (week = [zone.startOfDay(addDays(begin, 7)), zone.startOfDay(addDays(begin, 14))]))
    return week
  }
}

/** When a question about the way of users is asked. */
export function journeyTime({ zone, clock }: Frame, withinDays: number): JourneyTime {
  const dayOf = (ms: number): number => timeKeyOfDay('day', zone.day(ms))
  return { dayOf, asOfMs: clock.asOfMs, asOfDay: dayOf(clock.asOfMs), withinDays }
}

/** The users with a call that the filter lets through, at any time before `as_of`; undefined where there is no filter. */
export async function readChosen(frame: Frame): Promise<ReadonlySet<number> | undefined> {
  if (frame.where === undefined) return undefined
  const scope = await scopeOf(frame, { fromMs: 0, toMs: frame.clock.asOfMs })
  const found = await readGroups(frame.store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics: ['requests'] })
  return new Set(found.map(({ keys }) => Number(keys[0])))
}
