import { usagePatterns } from '../behavior/usage-patterns.ts'
import { readRows } from '../ledger/snapshot.ts'
import type { Frame } from '../read/frame.ts'
import type { Tops } from './user-columns.ts'

/**
 * What a user does again and again, as the report `behavior` tells it. The hours of the day are there only: the ledger keeps
 * them of no user by itself, and to count them from its calls took ten times as long as all the rest together.
 */
export interface Habits {
  /** The two models with most requests, as model/provider. */
  readonly preferred_models: readonly string[]
  /** Up to three features, each with a twentieth of the requests or more. */
  readonly favorite_features: readonly string[]
  /** The mean of sessions that are over and kept, that is of days before the latest; null where there is none. */
  readonly session_length_avg_s: number | null
}

export const noHabits: Habits = { preferred_models: [], favorite_features: [], session_length_avg_s: null }

/** Reads the habits of users, whose counts of models and features are read already. */
export async function readHabits(
  frame: Frame,
  userIds: readonly number[],
  { models, features }: Tops,
): Promise<ReadonlyMap<number, Habits>> {
  const lengths = await readSessionLengths(frame, userIds)
  return new Map(
    userIds.map((userId) => {
      const ofModels = models.get(userId) ?? new Map<string, number>()
      const patterns = usagePatterns({
        requests: sumOf(ofModels),
        userDays: 0,
        calendarDays: 0,
        hours: new Map(),
        features: features.get(userId) ?? new Map(),
        models: ofModels,
        sessionLengthAvgS: lengths.get(userId) ?? null,
      })
      return [
        userId,
        {
          preferred_models: patterns.preferredModels,
          favorite_features: patterns.favoriteFeatures,
          session_length_avg_s: patterns.sessionLengthAvgS,
        },
      ]
    }),
  )
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

/** Of sessions that are kept and still hold: late calls change those of their user until they are kept anew. */
async function readSessionLengths({ store }: Frame, userIds: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const rows = await readRows<[userId: number, seconds: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, seconds)) AS rows FROM (
      SELECT k.user_id, avg(k.end_ms - k.start_ms) / 1000 AS seconds FROM json_each(?) AS u CROSS JOIN kept_sessions AS k ON k.user_id = u.value
      WHERE k.user_id NOT IN (SELECT user_id FROM stale_sessions) GROUP BY k.user_id)`,
    values: [JSON.stringify(userIds)],
  })
  return new Map(rows)
}
