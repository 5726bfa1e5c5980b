import type { Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { readUserValues } from '../histories/read-user-values.ts'
import { tierKeys } from '../histories/tier-keys.ts'

/** Which plan users had, by id. */
export interface Plans {
  /** The first that is known of a user. */
  readonly first: ReadonlyMap<number, string>
  /** At the n-th of the instants that were asked for. */
  readonly at: readonly ReadonlyMap<number, string>[]
}

type Change = readonly [userId: number, ms: number, from: string | null, to: string]

/**
 * Reads plans at some instants: as `track.planChange` told, of users of whom it told a change; else the trait, else the property, under
 * which apps keep plans.
 */
export async function readPlans(frame: Frame, instants: readonly number[]): Promise<Plans> {
  const changes = await readChanges(frame)
  const first = new Map(await readUserValues(frame, tierKeys, { which: 'first', beforeMs: Math.max(...instants) }))
  const at: Map<number, string>[] = []
  for (const beforeMs of instants) at.push(new Map(await readUserValues(frame, tierKeys, { which: 'latest', beforeMs })))
  for (const [userId, own] of changes) {
    const [earliest] = own
    const begin = earliest?.[2] ?? undefined
    replace(first, userId, begin ?? earliest?.[3])
    for (const [n, beforeMs] of instants.entries()) replace(at[n], userId, own.findLast(([, ms]) => ms < beforeMs)?.[3] ?? begin)
  }
  return { first, at }
}

function replace(plans: Map<number, string> | undefined, userId: number, plan: string | undefined): void {
  if (plan === undefined) plans?.delete(userId)
  else plans?.set(userId, plan)
}

async function readChanges({ store, clock }: Frame): Promise<ReadonlyMap<number, Change[]>> {
  const rows = await readRows<Change>(store, {
    text: `SELECT json_group_array(json_array(user_id, start_ms, previous, outcome)) AS rows FROM (
      SELECT e.user_id, e.start_ms, e.previous, e.outcome FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'plan_change' AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?
      ORDER BY e.user_id, e.start_ms, e.start_fraction, e.span_id, e.trace_id)`,
    values: [clock.asOfMs],
  })
  const changes = new Map<number, Change[]>()
  for (const row of rows) {
    const own = changes.get(row[0])
    if (own === undefined) changes.set(row[0], [row])
    else own.push(row)
  }
  return changes
}
