import type { Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'

/** Users whom the app says that it showed a feature to, by feature, before `as_of`; ids as in histories. */
export async function readExposures({ store, clock }: Frame): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = await readRows<[feature: string, userId: number]>(store, {
    text: `SELECT json_group_array(json_array(name, user_id)) AS rows FROM (
      SELECT DISTINCT s.name, e.user_id FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND e.outcome IS NULL AND e.user_id <> 0 AND e.start_ms < ?)`,
    values: [clock.asOfMs],
  })
  const exposures = new Map<string, Set<string>>()
  for (const [feature, userId] of rows) {
    const own = exposures.get(feature)
    if (own === undefined) exposures.set(feature, new Set([String(userId)]))
    else own.add(String(userId))
  }
  return exposures
}
