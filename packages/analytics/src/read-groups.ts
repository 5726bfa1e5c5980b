import type { Store } from '@spanledger/store'

import { gives, isReadApart, needWidth, type GroupNeed } from './call-columns.ts'
import { compileGroups, compileHistogram, compilePacked, type Reading } from './compile.ts'
import type { Dimension } from './dimensions.ts'
import { Durations } from './durations.ts'
import type { Fragment } from './fragment.ts'
import type { Group, Need, SumName } from './group.ts'
import { requirements, type MetricName } from './metrics.ts'
import { noOpinions, readOpinions } from './read-opinions.ts'
import type { Key, Opinion, Scope, Source } from './scope.ts'
import { readColumns, readRows } from './snapshot.ts'

/** A group of calls, with what its dimensions are: the key they were grouped by, and the value to show. */
export interface FoundGroup {
  readonly keys: readonly Key[]
  readonly labels: readonly (string | number | null)[]
  readonly group: Group
}

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
  const names = [...sums]
  const wanted = [...needs].filter((need): need is GroupNeed => !otherNeeds.has(need))
  const main = sources.find((source) => compileGroups({ source, dimensions, sums: names, needs: [] }, scope) !== undefined) ?? 'calls'
  const together = wanted.filter((need) => gives(main, need) && !isReadApart(need))
  const found = await readMain(store, scope, { source: main, dimensions, sums: names, needs: together })

  for (const need of wanted) {
    if (together.includes(need) || (need === 'saved' && !(await hasHits(store, scope)))) continue
    await readNeed(store, scope, { need, dimensions, found })
  }
  const durations = (['latency', 'ttft'] as const).filter((column) => needs.has(column))
  if (durations.length > 0) await readHistograms(store, scope, { columns: durations, dimensions, found })
  for (const opinion of ['feedback', 'nps'] as const)
    if (needs.has(opinion)) await addOpinions(store, scope, { opinion, dimensions, found })
  return [...found.values()]
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

const otherNeeds: ReadonlySet<Need> = new Set<Exclude<Need, GroupNeed>>(['latency', 'ttft', 'feedback', 'nps'])
type Found = Map<string, Omit<FoundGroup, 'group'> & { readonly group: Mutable<Group> }>
type Mutable<T> = { -readonly [Name in keyof T]: T[Name] }

function nameOf(keys: readonly Key[]): string {
  return JSON.stringify(keys)
}

async function readMain(store: Store, scope: Scope, reading: Reading): Promise<Found> {
  const { dimensions, sums, needs } = reading
  const found: Found = new Map()
  for (const row of await readRows<Key[]>(store, compiled(compileGroups(reading, scope)))) {
    const keys = dimensions.map((_, n) => row[n * 2] ?? null)
    const labels = dimensions.map((_, n) => row[n * 2 + 1] ?? null)
    const values = row.slice(dimensions.length * 2)
    const group: Mutable<Group> = { sums: new Map(), costNanoUsd: 0n }
    const counted = new Map<SumName, number>()
    for (const [n, name] of sums.entries()) {
      if (name === 'cost_nano_usd') group.costNanoUsd = BigInt(values[n] ?? 0)
      else counted.set(name, Number(values[n] ?? 0))
    }
    group.sums = counted
    putNeeds(group, needs, values.slice(sums.length))
    found.set(nameOf(keys), { keys, labels, group })
  }
  return found
}

function putNeeds(group: Mutable<Group>, needs: readonly GroupNeed[], values: readonly Key[]): void {
  let at = 0
  for (const need of needs) {
    const [first, second, third, fourth, fifth] = values.slice(at, at + needWidth[need])
    at += needWidth[need]
    if (need === 'users') group.users = Number(first ?? 0)
    else if (need === 'sessions') group.sessions = Number(first ?? 0)
    else if (need === 'active_days') group.activeDays = Number(first ?? 0)
    else if (need === 'unpriced') group.unpricedTokens = Number(first ?? 0)
    else if (need === 'reported')
      group.reported = {
        calls: Number(first),
        costNanoUsd: BigInt(second ?? 0),
        priced: Number(third),
        pricedNanoUsd: BigInt(fourth ?? 0),
        computedNanoUsd: BigInt(fifth ?? 0),
      }
    else if (need === 'saved')
      group.saved = { hits: Number(first), tokens: Number(second), costNanoUsd: BigInt(third ?? 0), unpriced: Number(fourth) }
    else if (typeof first === 'number') {
      group.firstStartMs = first
      group.lastStartMs = Number(second)
      group.lastEndMs = Number(third)
    }
  }
}

async function readNeed(
  store: Store,
  scope: Scope,
  { need, dimensions, found }: { need: GroupNeed; dimensions: readonly Dimension[]; found: Found },
): Promise<void> {
  const statement = firstCompiled((source) =>
    gives(source, need) ? compileGroups({ source, dimensions, sums: [], needs: [need] }, scope) : undefined,
  )
  for (const row of await readRows<Key[]>(store, statement)) {
    const keys = dimensions.map((_, n) => row[n * 2] ?? null)
    const one = found.get(nameOf(keys))
    if (one !== undefined) putNeeds(one.group, [need], row.slice(dimensions.length * 2))
  }
}

interface Histograms {
  readonly columns: readonly ('latency' | 'ttft')[]
  readonly dimensions: readonly Dimension[]
  readonly found: Found
}

async function readHistograms(store: Store, scope: Scope, { columns, dimensions, found }: Histograms): Promise<void> {
  const durationsOf = (row: readonly Key[], column: 'latency' | 'ttft'): Durations | undefined => {
    const group = found.get(nameOf(row.slice(0, dimensions.length)))?.group
    return group === undefined ? undefined : (group[column] ??= new Durations())
  }
  const packed = (['models', 'users'] as const)
    .map((source) => compilePacked(columns, { source, dimensions }, scope))
    .find((one) => one !== undefined)
  if (packed !== undefined) {
    const lists = await readColumns<Key>(store, packed)
    const rows = lists[dimensions.length]?.length ?? 0
    for (let at = 0; at < rows; at++) {
      const keys = dimensions.map((_, n) => lists[n]?.[at] ?? null)
      for (const [n, column] of columns.entries()) durationsOf(keys, column)?.addPacked(String(lists[dimensions.length + n]?.[at] ?? ''))
    }
    return
  }
  for (const column of columns) {
    for (const row of await readRows<Key[]>(store, compiled(compileHistogram(column, dimensions, scope)))) {
      const [bucket, count] = row.slice(dimensions.length).map(Number)
      durationsOf(row, column)?.add(bucket ?? 0, count ?? 0)
    }
  }
}

/** Groups of which somebody said something without a call in them are added: a thumb may come on the day after. */
async function addOpinions(
  store: Store,
  scope: Scope,
  { opinion, dimensions, found }: { opinion: Opinion; dimensions: readonly Dimension[]; found: Found },
): Promise<void> {
  const said = await readOpinions(store, scope, { opinion, dimensions })
  if (said === undefined) return
  for (const { keys, labels, group } of said) {
    const name = nameOf(keys)
    const known = found.get(name)
    if (known === undefined) found.set(name, { keys, labels, group: { sums: new Map(), costNanoUsd: 0n, ...group } })
    else Object.assign(known.group, group)
  }
  for (const { group } of found.values()) Object.assign(group, { [opinion]: group[opinion] ?? noOpinions[opinion] })
}

function firstCompiled(compile: (source: Source) => Fragment | undefined): Fragment {
  for (const source of sources) {
    const statement = compile(source)
    if (statement !== undefined) return statement
  }
  return compiled(undefined)
}

function compiled(statement: Fragment | undefined): Fragment {
  // The calls know every dimension, filter and metric, so this is a fault of ours, never of a question.
  if (statement === undefined) throw new Error('No source of the ledger can answer this reading.')
  return statement
}
