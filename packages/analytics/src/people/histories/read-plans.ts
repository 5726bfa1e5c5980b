import type { Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { readUserValues } from '../../read/read-user-values.ts'
import { tierKeys } from './tier-keys.ts'

/** Which plan users had, by id. */
export interface Plans {
  /** The first that is known of a user. */
  readonly first: ReadonlyMap<number, string>
  /** At the n-th of the instants that were asked for. */
  readonly at: readonly ReadonlyMap<number, string>[]
}

/** What `track.planChange` told of a user once. */
export type PlanChange = readonly [userId: number, ms: number, from: string | null, to: string]

/**
 * Reads plans at some instants: as `track.planChange` told, of users of whom it told a change; else the trait, else the property, under
 * which apps keep plans.
 */
export async function readPlans(frame: Frame, instants: readonly number[]): Promise<Plans> {
  const changes = await readPlanChanges(frame)
  const first = new Map(await readUserValues(frame, tierKeys, { which: 'first', beforeMs: Math.max(...instants) }))
  const at: Map<number, string>[] = []
  for (const beforeMs of instants) at.push(new Map(await readUserValues(frame, tierKeys, { which: 'latest', beforeMs })))
  for (const [userId, own] of changes) {
    const [earliest] = own
    replace(first, userId, earliest?.[2] ?? earliest?.[3])
    for (const [n, beforeMs] of instants.entries()) replace(at[n], userId, planBefore(own, beforeMs))
  }
  return { first, at }
}

function replace(plans: Map<number, string> | undefined, userId: number, plan: string | undefined): void {
  if (plan === undefined) plans?.delete(userId)
  else plans?.set(userId, plan)
}

/** The plan of a user at an instant; before the first change that which it was from. */
export function planBefore(changes: readonly PlanChange[], beforeMs: number): string | undefined {
  return changes.findLast(([, ms]) => ms < beforeMs)?.[3] ?? changes[0]?.[2] ?? undefined
}

/** The changes of plan told before `as_of`, in the order of time, by the id of the user. */
export async function readPlanChanges({ store, clock }: Frame): Promise<ReadonlyMap<number, readonly PlanChange[]>> {
  const rows = await readRows<PlanChange>(store, {
    text: `SELECT json_group_array(json_array(user_id, start_ms, previous, outcome)) AS rows FROM (
      SELECT e.user_id, e.start_ms, e.previous, e.outcome FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'plan_change' AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?
      ORDER BY e.user_id, e.start_ms, e.start_fraction, e.span_id, e.trace_id)`,
    values: [clock.asOfMs],
  })
  const changes = new Map<number, PlanChange[]>()
  for (const row of rows) {
    const own = changes.get(row[0])
    if (own === undefined) changes.set(row[0], [row])
    else own.push(row)
  }
  return changes
}
