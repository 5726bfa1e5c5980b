import type { Frame } from '../../read/frame.ts'
import { exposureDays, type FirstWeekCount } from '../../retention/insights.ts'
import { readBehavior } from '../behavior/read-behavior.ts'
import type { Histories } from '../histories/read-histories.ts'

const MULTI_TURN_MESSAGES = 2

/** How many sessions users began in their first week: all, or those of several messages. Sessions of a week that is over long ago are over too. */
export async function readFirstWeekSessions(
  frame: Frame,
  { histories, scope, dayOf }: Histories,
  which: 'sessions' | 'multi_turn',
): Promise<FirstWeekCount> {
  const firstDayOf = new Map(histories.map(({ user, firstDay }) => [Number(user), firstDay]))
  const counts = new Map<number, number>()
  await readBehavior(
    { ...frame, period: scope.period },
    {
      messages: which === 'multi_turn',
      eachClosed: ({ userId, startMs, messages }) => {
        if (which === 'multi_turn' && messages < MULTI_TURN_MESSAGES) return
        const ownDay = dayOf(startMs) - (firstDayOf.get(userId) ?? Number.NaN)
        if (ownDay >= 0 && ownDay < exposureDays) counts.set(userId, (counts.get(userId) ?? 0) + 1)
      },
    },
  )
  return ({ user }) => counts.get(Number(user)) ?? 0
}
