import type { Store } from '@spanledger/store'

import { needWidth, type GroupNeed } from '../plan/call-columns.ts'
import { compileGroups, compileHistogram, compilePacked, type Reading } from '../plan/compile.ts'
import type { Dimension } from '../query/dimensions.ts'
import { Durations } from '../sums/durations.ts'
import type { Fragment } from '../ledger/fragment.ts'
import type { Group, SumName } from '../sums/group.ts'
import type { Key, Scope } from '../plan/scope.ts'
import { readColumns, readRows } from '../ledger/snapshot.ts'

/** A group of calls, with what its dimensions are: the key they were grouped by, and the value to show. */
export interface FoundGroup {
  readonly keys: readonly Key[]
  readonly labels: readonly (string | number | null)[]
  readonly group: Group
  /** Of groups of few users that are told as one: which they are. It has no keys and labels of its own. */
  readonly members?: readonly FoundGroup[]
}

/** What is counted of groups. */
export interface Counted {
  readonly dimensions: readonly Dimension[]
  readonly sums: readonly SumName[]
  readonly users: boolean
  readonly durations: readonly ('latency' | 'ttft')[]
}

/** Groups by the name of their keys, while they are put together. */
export type Found = Map<string, Omit<FoundGroup, 'group'> & { readonly group: Mutable<Group> }>
export type Mutable<T> = { -readonly [Name in keyof T]: T[Name] }

export function nameOf(keys: readonly Key[]): string {
  return JSON.stringify(keys)
}

/** The groups of one source with their sums, and with what else it gives. */
export async function readMain(store: Store, scope: Scope, reading: Reading): Promise<Found> {
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

export function putNeeds(group: Mutable<Group>, needs: readonly GroupNeed[], values: readonly Key[]): void {
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

interface Histograms {
  readonly columns: readonly ('latency' | 'ttft')[]
  readonly dimensions: readonly Dimension[]
  readonly found: Found
}

/** The packed counts of each group, from the rollup that has them; undefined where the calls have to be counted. */
export function packedFrom(scope: Scope, { columns, dimensions }: Omit<Histograms, 'found'>): Fragment | undefined {
  return (['models', 'users'] as const)
    .map((source) => compilePacked(columns, { source, dimensions }, scope))
    .find((one) => one !== undefined)
}

/** Adds the durations of each group, from rollups where these can tell. */
export async function readHistograms(store: Store, scope: Scope, { columns, dimensions, found }: Histograms): Promise<void> {
  const durationsOf = (row: readonly Key[], column: 'latency' | 'ttft'): Durations | undefined => {
    const group = found.get(nameOf(row.slice(0, dimensions.length)))?.group
    return group === undefined ? undefined : (group[column] ??= new Durations())
  }
  const packed = packedFrom(scope, { columns, dimensions })
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

/** @throws Error where there is nothing to run */
export function compiled(statement: Fragment | undefined): Fragment {
  // The calls know every dimension, filter and metric, so this is a fault of ours, never of a question.
  if (statement === undefined) throw new Error('No source of the ledger can answer this reading.')
  return statement
}
