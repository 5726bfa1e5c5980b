import type { Store } from '@spanledger/store'

import { gives, isGroupNeed, isReadApart, type GroupNeed } from '../plan/call-columns.ts'
import { closedGroups } from '../plan/closed-groups.ts'
import { compileGroups } from '../plan/compile.ts'
import { compileUserIds } from '../plan/compile-users.ts'
import type { Dimension } from '../query/dimensions.ts'
import {
  compiled,
  nameOf,
  packedFrom,
  putNeeds,
  readHistograms,
  readMain,
  type Counted,
  type Found,
  type FoundGroup,
} from './found-groups.ts'
import type { Fragment } from '../ledger/fragment.ts'
import { saidKinds, type Said } from '../sums/group.ts'
import { UserSet } from '../sums/user-set.ts'
import { requirements, type MetricName } from '../query/metrics.ts'
import { readCallGroups } from './read-call-groups.ts'
import { readClosedGroups } from './read-closed-groups.ts'
import { noEstimate, readEstimates } from './read-estimates.ts'
import { readOutcomes } from './read-outcomes.ts'
import { readMessageGroups, readRetryGroups } from './read-retries.ts'
import { readSaid } from './read-said.ts'
import type { Key, Scope, Source } from '../plan/scope.ts'
import { readRows } from '../ledger/snapshot.ts'

/** From the least to read to the most. */
const sources: readonly Source[] = ['models', 'users', 'calls']

/**
 * Reads what some metrics need of each group of calls, every part from the smallest source that has it. All sources give
 * the same answer, so which one it was cannot be seen.
 */
export async function readGroups(
  store: Store,
  scope: Scope,
  { dimensions, metrics }: { dimensions: readonly Dimension[]; metrics: readonly MetricName[] },
): Promise<FoundGroup[]> {
  const { sums, needs } = requirements(metrics)
  const durations = (['latency', 'ttft'] as const).filter((column) => needs.has(column))
  const wanted = [...needs].filter(isGroupNeed)
  const asked: Counted = { dimensions, sums: [...sums], users: needs.has('users'), durations }
  const closed = readsCalls(scope, asked) ? await closedGroups(store, scope, dimensions) : undefined
  const { found, read } =
    closed === undefined
      ? await readCounted(store, scope, asked, wanted)
      : { found: await readClosedGroups(store, scope, closed, asked), read: ['users'] }
  for (const need of wanted) {
    if (read.includes(need) || (need === 'saved' && !(await hasHits(store, scope)))) continue
    await readNeed(store, scope, { need, dimensions, found })
  }
  if (needs.has('outcomes')) {
    const outcomes = new Map((await readOutcomes(store, scope, dimensions)).map((one) => [nameOf(one.keys), one.outcomes]))
    for (const [name, { group }] of found) group.outcomes = outcomes.get(name) ?? { known: 0, succeeded: 0 }
  }
  if (needs.has('retries')) {
    const retries = await readRetryGroups(store, scope, dimensions)
    const byName = new Map(retries?.map((one) => [nameOf(one.keys), one.retries]))
    if (retries !== undefined) for (const [name, { group }] of found) group.retries = byName.get(name) ?? { requests: 0, retries: 0 }
  }
  if (needs.has('messages')) {
    const messages = new Map((await readMessageGroups(store, scope, dimensions)).map((one) => [nameOf(one.keys), one.messages]))
    for (const [name, { group }] of found) group.messages = messages.get(name) ?? 0
  }
  if (needs.has('estimate')) {
    const estimates = new Map((await readEstimates(store, scope, dimensions)).map((one) => [nameOf(one.keys), one.estimate]))
    for (const [name, { group }] of found) group.estimate = estimates.get(name) ?? noEstimate
  }
  if (needs.has('whole')) {
    // Of all users and rows, also where the page of some is read.
    const all = { ...scope, groups: undefined, userIds: undefined }
    const [total] = await readGroups(store, all, { dimensions: [], metrics: ['requests'] })
    for (const { group } of found.values()) group.whole = total?.group.sums.get('requests') ?? 0
  }
  for (const kind of saidKinds) if (needs.has(kind)) await addSaid(store, scope, { kind, dimensions, found })
  return [...found.values()]
}

function mainSource(scope: Scope, { dimensions, sums }: Counted): Source {
  return sources.find((source) => compileGroups({ source, dimensions, sums, needs: [] }, scope) !== undefined) ?? 'calls'
}

/** Whether rollups leave anything to the calls that closed days know too. */
function readsCalls(scope: Scope, asked: Counted): boolean {
  const { dimensions, sums, users, durations } = asked
  const counts = users || durations.length > 0
  if (compileGroups({ source: 'days', dimensions, sums, needs: [] }, { ...scope, days: [] }) === undefined) return false
  if (counts && scope.userIds !== undefined) return false
  if (mainSource(scope, asked) === 'calls') return true
  if (users && onlyCallsKnowUsers(scope, asked)) return true
  return durations.length > 0 && packedFrom(scope, { columns: durations, dimensions }) === undefined
}

/** Reads from rollups, or from the calls. `read`: the needs that are read together with the sums. */
async function readCounted(
  store: Store,
  scope: Scope,
  asked: Counted,
  wanted: readonly GroupNeed[],
): Promise<{ found: Found; read: readonly GroupNeed[] }> {
  const { dimensions, sums, durations } = asked
  const source = mainSource(scope, asked)
  // What only SQL can count of calls is read together with the rest.
  if (source === 'calls' && scope.attribution === undefined && wanted.every((need) => need === 'users' || isReadApart(need))) {
    const found = await readCallGroups(store, scope, asked)
    if (asked.users) for (const { group } of found.values()) group.users = group.userSet?.size ?? 0
    return { found, read: ['users'] }
  }
  const together = wanted.filter((need) => gives(source, need) && !isReadApart(need))
  const found = await readMain(store, scope, { source, dimensions, sums, needs: together })
  if (durations.length > 0) await readHistograms(store, scope, { columns: durations, dimensions, found })
  if (!asked.users || together.includes('users') || !onlyCallsKnowUsers(scope, asked)) return { found, read: together }
  const users = await readCallGroups(store, scope, { dimensions, sums: [], users: true, durations: [] })
  for (const [name, { group }] of found) group.users = users.get(name)?.group.userSet?.size ?? 0
  return { found, read: [...together, 'users'] }
}

function onlyCallsKnowUsers(scope: Scope, { dimensions }: Counted): boolean {
  return scope.attribution === undefined && compileGroups({ source: 'users', dimensions, sums: [], needs: [] }, scope) === undefined
}

/** Most ledgers have no cache hits, and then there is nothing to join. */
async function hasHits(store: Store, { period: { fromMs, toMs } }: Scope): Promise<boolean> {
  const [row] = await store.all<{ found: number }>(
    'SELECT EXISTS (SELECT 1 FROM saved_calls WHERE start_ms >= ? AND start_ms < ?) AS found',
    fromMs,
    toMs,
  )
  return row?.found === 1
}

async function readNeed(
  store: Store,
  scope: Scope,
  { need, dimensions, found }: { need: GroupNeed; dimensions: readonly Dimension[]; found: Found },
): Promise<void> {
  const users = need === 'users' && dimensions.length === 0 ? compileUserIds(scope) : undefined
  if (users !== undefined) {
    const set = new UserSet()
    for (const id of await readRows<number>(store, users)) if (id !== 0) set.addOne(id)
    for (const { group } of found.values()) group.users = set.size
    return
  }
  const statement = firstCompiled((source) =>
    gives(source, need) ? compileGroups({ source, dimensions, sums: [], needs: [need] }, scope) : undefined,
  )
  for (const row of await readRows<Key[]>(store, statement)) {
    const keys = dimensions.map((_, n) => row[n * 2] ?? null)
    const one = found.get(nameOf(keys))
    if (one !== undefined) putNeeds(one.group, [need], row.slice(dimensions.length * 2))
  }
}

/** Groups of which somebody said something without a call in them are added: a thumb may come on the day after. */
async function addSaid(
  store: Store,
  scope: Scope,
  { kind, dimensions, found }: { kind: Said; dimensions: readonly Dimension[]; found: Found },
): Promise<void> {
  const said = await readSaid(store, scope, { kind, dimensions })
  if (said === undefined) return
  for (const { keys, labels, group } of said.groups) {
    const name = nameOf(keys)
    const known = found.get(name)
    if (known === undefined) found.set(name, { keys, labels, group: { sums: new Map(), costNanoUsd: 0n, ...group } })
    else Object.assign(known.group, group)
  }
  for (const { group } of found.values()) if (group[kind] === undefined) Object.assign(group, said.nothing)
}

function firstCompiled(compile: (source: Source) => Fragment | undefined): Fragment {
  for (const source of sources) {
    const statement = compile(source)
    if (statement !== undefined) return statement
  }
  return compiled(undefined)
}
