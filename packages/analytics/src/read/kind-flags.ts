import type { Store } from '@spanledger/store'

import type { SumName } from '../sums/group.ts'
import { readRows } from '../ledger/snapshot.ts'

/** By sum, which kinds of calls it counts: 1 at their kind_id. */
export type KindFlags = ReadonlyMap<SumName, readonly number[]>

const counted = {
  errors: "status = 'error'",
  cancelled: "status = 'cancelled'",
  estimated_requests: "usage_quality IN ('estimated', 'partial')",
  missing_usage_requests: "usage_quality = 'missing'",
  samples: "origin = 'sample'",
  rate_limited_requests: "error_class = 'rate_limit'",
} as const satisfies Partial<Record<SumName, string>>

export async function readKindFlags(store: Store): Promise<KindFlags> {
  const names = Object.keys(counted) as (keyof typeof counted)[]
  const rows = await readRows<[kindId: number, ...flags: number[]]>(store, {
    text: `SELECT json_group_array(json_array(kind_id, ${names.map((name) => counted[name]).join(', ')})) AS rows FROM kinds`,
    values: [],
  })
  const flagsOf = new Map(names.map((name) => [name, [] as number[]]))
  for (const [kindId, ...flags] of rows) for (const [n, name] of names.entries()) (flagsOf.get(name) ?? [])[kindId] = flags[n] ?? 0
  return flagsOf
}
