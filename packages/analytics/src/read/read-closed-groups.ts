import type { Store } from '@spanledger/store'

import type { ClosedGroups } from '../plan/closed-groups.ts'
import { compileDayGroups } from '../plan/compile.ts'
import { Durations } from '../sums/durations.ts'
import { compiled, nameOf, readMain, type Counted, type Found } from './found-groups.ts'
import { unpackCounts, unpackIds } from '../sums/packed-counts.ts'
import { readCallGroups } from './read-call-groups.ts'
import type { Key, Scope } from '../plan/scope.ts'
import { UserSet } from '../sums/user-set.ts'

/** Groups of closed days, and of the calls of what is not closed, put together. */
export async function readClosedGroups(store: Store, scope: Scope, { days, rest }: ClosedGroups, counted: Counted): Promise<Found> {
  const { dimensions, sums } = counted
  const closed: Scope = { ...scope, days }
  const found = await readMain(store, closed, { source: 'days', dimensions, sums, needs: [] })
  await addPacked(store, closed, { counted, found })
  for (const period of rest) {
    const open: Scope = { ...scope, period, buckets: undefined }
    merge(found, await readCallGroups(store, open, counted))
  }
  for (const { group } of found.values()) if (counted.users) group.users = group.userSet?.size ?? 0
  return found
}

async function addPacked(store: Store, scope: Scope, { counted, found }: { counted: Counted; found: Found }): Promise<void> {
  const { dimensions, durations, users } = counted
  const columns = [...durations, ...(users ? (['users'] as const) : [])]
  if (columns.length === 0) return
  const { text, values } = compiled(compileDayGroups(columns, dimensions, scope))
  for (const row of await store.all<Record<string, Key | Uint8Array>>(text, ...values)) {
    const group = found.get(nameOf(dimensions.map((_, n) => row[`k${n}`] as Key)))?.group
    if (group === undefined) continue
    for (const column of durations) {
      const { keys, counts } = unpackCounts(row[column] as Uint8Array)
      const to = (group[column] ??= new Durations())
      for (let n = 0; n < keys.length; n++) to.add(keys[n] ?? 0, counts[n] ?? 0)
    }
    if (users) (group.userSet ??= new UserSet()).add(unpackIds(row['users'] as Uint8Array))
  }
}

function merge(found: Found, more: Found): void {
  for (const [name, one] of more) {
    const known = found.get(name)
    if (known === undefined) {
      found.set(name, one)
      continue
    }
    const { group } = known
    const sums = new Map(group.sums)
    for (const [sum, value] of one.group.sums) sums.set(sum, (sums.get(sum) ?? 0) + value)
    group.sums = sums
    group.costNanoUsd += one.group.costNanoUsd
    for (const column of ['latency', 'ttft'] as const) {
      const durations = one.group[column]
      if (durations !== undefined) (group[column] ??= new Durations()).merge(durations, 1)
    }
    if (one.group.userSet !== undefined) (group.userSet ??= new UserSet()).merge(one.group.userSet)
  }
}
