import type { UserCall } from '../../src/behavior/user-call.ts'
import { groupBy } from '../../src/sums/group-by.ts'
import type { UserHistory } from '../../src/behavior/user-history.ts'

/** The histories that calls make, by UTC days. */
export function historiesOf(calls: readonly UserCall[]): UserHistory[] {
  return [...groupBy(calls, ({ user }) => user)].map(([user, own]) => {
    const days = [...groupBy(own, ({ startMs }) => Math.floor(startMs / 86_400_000))]
      .sort(([a], [b]) => a - b)
      .map(([day, ofDay]) => ({
        day,
        requests: ofDay.length,
        features: new Map([...groupBy(ofDay, ({ feature }) => feature ?? '')].map(([feature, some]) => [feature, some.length])),
      }))
    return { user, firstDay: days[0]?.day ?? 0, days }
  })
}
