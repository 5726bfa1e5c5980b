import { addDays, type Store } from '@spanledger/store'

import { zoneOf } from '../query/buckets.ts'
import { CallSums, columnsFor, type CallColumns } from './call-sums.ts'
import { compileBase } from '../plan/compile.ts'
import { DimensionReader } from './dimension-reader.ts'
import type { Counted, Found } from './found-groups.ts'
import { join, raw, sql } from '../ledger/fragment.ts'
import { readKindFlags } from './kind-flags.ts'
import type { Period } from '../query/period.ts'
import type { Key, Scope } from '../plan/scope.ts'
import { readColumns } from '../ledger/snapshot.ts'

/** About so many calls are read at a time: while they are added up here, SQLite reads the next. */
const CALLS_PER_SLICE = 50_000

/**
 * Groups of calls, added up here from columns of numbers: SQLite would sort all calls before it groups them, and look up for each
 * what its property or model is, which takes several times as long. `users`, where asked for, are told as sets.
 */
export async function readCallGroups(store: Store, scope: Scope, counted: Counted): Promise<Found> {
  const readers = counted.dimensions.map((dimension) => new DimensionReader(dimension, scope))
  const sums = new CallSums(counted, await readKindFlags(store))
  const slices = await slicesOf(store, scope.period)
  const read = (at: number): Promise<CallColumns | undefined> => {
    const period = slices[at]
    const reading = period === undefined ? Promise.resolve(undefined) : readSlice(store, { ...scope, period }, { readers, counted })
    reading.catch(() => undefined) // Thrown where it is awaited; before that it only must not count as unhandled.
    return reading
  }
  let next = read(0)
  for (let at = 0; at < slices.length; at++) {
    const calls = await next
    next = read(at + 1)
    if (calls === undefined) continue
    for (const [n, reader] of readers.entries()) await reader.learn(store, calls.keys[n] ?? [])
    sums.add(calls, readers)
  }
  return sums.found(readers, await Promise.all(readers.map((reader) => reader.labels(store))))
}

async function readSlice(
  store: Store,
  scope: Scope,
  { readers, counted }: { readers: readonly DimensionReader[]; counted: Counted },
): Promise<CallColumns> {
  const direct = counted.dimensions.filter((_, n) => readers[n]?.ids === undefined)
  const base = compileBase({ source: 'calls', dimensions: direct, sums: [], needs: [] }, scope)
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const columns = [...new Set([...readers.flatMap(({ ids }) => ids ?? []), ...columnsFor(counted)])]
  const names = [...direct.map((_, n) => `k${n}`), ...columns.map((column) => `c_${column}`)]
  const lists = await readColumns<Key>(
    store,
    sql`SELECT count(*) AS n${raw(names.map((name) => `, json_group_array(${name}) AS ${name}`).join(''))}
      FROM (SELECT ${join([...base.keys, ...columns.map((column) => raw(`c.${column} AS c_${column}`)), raw('1')], ', ')} ${base.from})`,
  )
  const listOf = (name: string): readonly Key[] => lists[names.indexOf(name) + 1] ?? []
  let at = 0
  const keys = readers.map(({ ids }) => (ids === undefined ? [listOf(`k${at++}`)] : ids.map((column) => listOf(`c_${column}`))))
  return { length: Number(lists[0] ?? 0), keys, of: (column) => listOf(`c_${column}`) as (number | null)[] }
}

/** The parts of a period that have calls, each with about as many as are read at a time. */
async function slicesOf(store: Store, { fromMs, toMs }: Period): Promise<Period[]> {
  if (fromMs >= toMs) return []
  const zone = zoneOf(store.timeZone)
  const [days = [], counts = []] = await readColumns(store, {
    text: `SELECT json_group_array(bucket) AS days, json_group_array(n) AS n FROM (
      SELECT bucket, sum(requests) AS n FROM rollup_models WHERE bucket BETWEEN ? AND ? AND bucket % 100 <> 0 GROUP BY bucket)`,
    values: [zone.day(fromMs), zone.day(toMs - 1)],
  })
  const slices: { fromMs: number; toMs: number }[] = []
  let calls = CALLS_PER_SLICE
  for (const [n, day] of days.entries()) {
    const whole = { fromMs: Math.max(fromMs, zone.startOfDay(day)), toMs: Math.min(toMs, zone.startOfDay(addDays(day, 1))) }
    const last = slices.at(-1)
    calls += counts[n] ?? 0
    if (last !== undefined && calls <= CALLS_PER_SLICE) {
      last.toMs = whole.toMs
      continue
    }
    calls = counts[n] ?? 0
    const parts = Math.max(1, Math.ceil(calls / CALLS_PER_SLICE))
    const bound = (part: number): number => whole.fromMs + Math.round(((whole.toMs - whole.fromMs) * part) / parts)
    for (let part = 0; part < parts; part++) slices.push({ fromMs: bound(part), toMs: bound(part + 1) })
    calls = Math.min(calls, CALLS_PER_SLICE)
  }
  return slices
}
