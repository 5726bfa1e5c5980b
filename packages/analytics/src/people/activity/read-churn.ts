import { addDays } from '@spanledger/store'

import type { Dimension } from '../../query/dimensions.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { metricTable } from '../../query/metrics.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readRetriesOfUsers } from '../histories/read-retries.ts'
import type { ChurnUser } from '../../retention/churn.ts'

/** Who has no call in so many whole days before `as_of` has left. */
export const CHURN_WINDOW_DAYS = 30
/** What came before is looked at in so many days before those: nothing that happened while leaving can be its sign. */
export const OBSERVED_DAYS = 28

const USER: Dimension = { kind: 'column', name: 'user' }

/** The users who were active in the days before the last thirty. Whether they left is told of all their calls, whatever the filter lets through. */
export async function readChurnUsers(frame: Frame): Promise<ChurnUser[]> {
  const { store, zone, clock } = frame
  const today = zone.day(clock.asOfMs)
  const [fromMs, leftMs] = [-(CHURN_WINDOW_DAYS + OBSERVED_DAYS), -CHURN_WINDOW_DAYS].map((days) => zone.startOfDay(addDays(today, days)))
  const before = await scopeOf(frame, { fromMs: fromMs ?? 0, toMs: leftMs ?? 0 })
  const found = await readGroups(store, before, {
    dimensions: [USER],
    metrics: ['requests', 'error_rate', 'rate_limited_requests', 'latency_p95_ms', 'sessions', 'feedback_count'],
  })
  const retries = await readRetriesOfUsers(frame, before.period)
  const features = new Map<number, number>()
  for (const { keys, labels, group } of await readGroups(store, before, {
    dimensions: [USER, { kind: 'property', key: 'feature' }],
    metrics: ['requests'],
  })) {
    if (labels[1] !== null && (group.sums.get('requests') ?? 0) > 0) features.set(Number(keys[0]), (features.get(Number(keys[0])) ?? 0) + 1)
  }
  const since = await scopeOf({ ...frame, where: undefined }, { fromMs: leftMs ?? 0, toMs: clock.asOfMs })
  const still = new Set((await readGroups(store, since, { dimensions: [USER], metrics: ['requests'] })).map(({ keys }) => Number(keys[0])))
  return found.flatMap(({ keys, group }): ChurnUser[] => {
    const userId = Number(keys[0])
    const requests = group.sums.get('requests') ?? 0
    if (userId === 0 || requests === 0) return []
    const { feedback } = group
    return [
      {
        requests,
        errorRate: Number(metricTable.error_rate.of(group)),
        retryRate: retries === undefined ? null : (retries.get(userId) ?? 0) / requests,
        latencyP95Ms: Number(metricTable.latency_p95_ms.of(group)),
        rateLimited: group.sums.get('rate_limited_requests') ?? 0,
        sessions: group.sessions ?? 0,
        features: features.get(userId) ?? 0,
        negativeFeedback: feedback === undefined ? 0 : feedback.count - feedback.positive,
        churned: !still.has(userId),
      },
    ]
  })
}
