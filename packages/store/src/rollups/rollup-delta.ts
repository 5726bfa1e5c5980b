import { usageBuckets } from '@spanledger/conventions'

import type { Contribution } from './contributions.ts'
import { durationBucket } from './counts.ts'
import { measureColumns, usageColumns, usageReaders } from './measures.ts'
import { monthOf, type Zone } from '../zone.ts'

/** What a set of calls adds to (or takes from) the rollups: by day, then by id. Months follow from days. */
export interface RollupDelta {
  readonly users: Map<number, Map<number, RowDelta>>
  readonly models: Map<number, Map<number, RowDelta>>
}

interface RowDelta {
  /** In the order of `measureColumns`. */
  readonly measures: number[]
  /** What of the cost is not in `measures`, because a double could not hold it exactly. */
  costBeyond: bigint
  firstMs: number
  lastMs: number
  /** By packed column: what is counted, once for each time it stands here. */
  readonly added: CountedLists
  /** What is counted once less; undefined where nothing was taken away. */
  removed: CountedLists | undefined
}

/** A list is made for its first entry: most rows are of one call, and an empty list that grows takes room for seventeen. */
type CountedLists = (number[] | undefined)[]

export function emptyDelta(): RollupDelta {
  return { users: new Map(), models: new Map() }
}

/** Adds what a call contributes; with sign -1 takes it away again. */
export function addContribution(delta: RollupDelta, call: Contribution, zone: Zone, sign: 1 | -1 = 1): void {
  const day = zone.day(call.startMs)
  const bucket = durationBucket(call.latencyMs)
  const ttftBucket = call.ttftMs === null ? undefined : durationBucket(call.ttftMs)
  const measures = measuresOf(call)
  const user = rowOf(delta.users, day, call.userId, 4)
  const model = rowOf(delta.models, day, call.modelId, 2)
  addRow(user, measures, sign)
  addRow(model, measures, sign)
  const ofUser = countsOf(user, sign)
  const ofModel = countsOf(model, sign)
  count(ofUser, 0, bucket)
  count(ofModel, 0, bucket)
  if (ttftBucket !== undefined) {
    count(ofUser, 1, ttftBucket)
    count(ofModel, 1, ttftBucket)
  }
  count(ofUser, 2, call.modelId)
  if (call.featureId !== 0) count(ofUser, 3, call.featureId)
  if (sign === -1) return
  user.firstMs = Math.min(user.firstMs, call.startMs)
  user.lastMs = Math.max(user.lastMs, call.startMs)
}

function rowOf(rows: Map<number, Map<number, RowDelta>>, day: number, id: number, packed: 2 | 4): RowDelta {
  let byId = rows.get(day)
  if (byId === undefined) rows.set(day, (byId = new Map()))
  let row = byId.get(id)
  if (row === undefined) byId.set(id, (row = emptyRow(packed)))
  return row
}

function emptyRow(packed: 2 | 4): RowDelta {
  return {
    measures: noMeasures.slice(),
    costBeyond: 0n,
    firstMs: Number.MAX_SAFE_INTEGER,
    lastMs: -1,
    added: noLists(packed),
    removed: undefined,
  }
}

function noLists(packed: number): CountedLists {
  return packed === 2 ? [undefined, undefined] : [undefined, undefined, undefined, undefined]
}

function countsOf(row: RowDelta, sign: 1 | -1): CountedLists {
  if (sign === 1) return row.added
  row.removed ??= noLists(row.added.length)
  return row.removed
}

function count(lists: CountedLists, column: number, key: number): void {
  const list = lists[column]
  if (list === undefined) lists[column] = [key]
  else list.push(key)
}

const noMeasures = measureColumns.map(() => 0)
const FIRST_TOKEN = measureColumns.indexOf(usageColumns[usageBuckets[0]])
const COST = measureColumns.indexOf('cost_nano_usd')
const LATENCY = measureColumns.indexOf('latency_ms_sum')
const RATE_LIMITED = measureColumns.indexOf('rate_limited_requests')
const tokenReaders = usageBuckets.map((bucket) => usageReaders[bucket])

/** What `measuresOf` gives: one list for all calls, because it is read at once and there are very many. */
const ofOneCall = noMeasures.slice()

/** A call's measures, in the order of `measureColumns`; they hold until the next call's are asked for. */
export function measuresOf(call: Contribution): readonly number[] {
  const { status, quality, costNanoUsd, usage } = call
  ofOneCall[0] = 1
  ofOneCall[1] = status === 'error' ? 1 : 0
  ofOneCall[2] = status === 'cancelled' ? 1 : 0
  ofOneCall[3] = costNanoUsd === null ? 1 : 0
  ofOneCall[4] = quality === 'estimated' || quality === 'partial' ? 1 : 0
  ofOneCall[5] = quality === 'missing' ? 1 : 0
  ofOneCall[6] = call.origin === 'sample' ? 1 : 0
  ofOneCall[COST] = costNanoUsd ?? 0
  for (let n = 0; n < tokenReaders.length; n++) ofOneCall[FIRST_TOKEN + n] = quality === 'missing' ? 0 : (tokenReaders[n]?.(usage) ?? 0)
  ofOneCall[LATENCY] = call.latencyMs
  ofOneCall[RATE_LIMITED] = call.rateLimited ? 1 : 0
  return ofOneCall
}

function addRow(row: RowDelta, measures: readonly number[], sign: 1 | -1): void {
  const { measures: sums } = row
  const cost = sums[COST] ?? 0
  for (let n = 0; n < sums.length; n++) sums[n] = (sums[n] ?? 0) + sign * (measures[n] ?? 0)
  if (Number.isSafeInteger(sums[COST])) return
  row.costBeyond += BigInt(cost)
  sums[COST] = sign * (measures[COST] ?? 0)
}

/** A row of a table with what is added to it. */
export interface KeyedDelta {
  readonly bucket: number
  readonly id: number
  row: RowDelta
  /** A day's month; undefined for a month. */
  readonly month: KeyedDelta | undefined
  /** How many days it is made of. */
  days: number
  /** What the table has of it; 0 until it was read. */
  requestsBefore: number
  /** Whether a day appears (1) or vanishes (-1), once it was compared with the table; in a month the sum of its days'. */
  activeDays: number
  /** The packed columns, in hex: as the table has them, then as they will be; none in a row that has sums only. */
  packed: readonly string[]
}

export interface KeyedDeltas {
  readonly days: readonly KeyedDelta[]
  readonly months: readonly KeyedDelta[]
}

export function withMonths(rows: ReadonlyMap<number, ReadonlyMap<number, RowDelta>>, packed: 2 | 4): KeyedDeltas {
  const days: KeyedDelta[] = []
  const months = new Map<number, Map<number, KeyedDelta>>()
  for (const [day, byId] of rows) {
    const bucket = monthOf(day)
    let ofMonth = months.get(bucket)
    if (ofMonth === undefined) months.set(bucket, (ofMonth = new Map()))
    for (const [id, row] of byId) {
      let month = ofMonth.get(id)
      if (month === undefined) ofMonth.set(id, (month = keyed(bucket, id, row, undefined)))
      else addToMonth(month, row, packed)
      days.push(keyed(day, id, row, month))
    }
  }
  return { days, months: [...months.values()].flatMap((byId) => Array.from(byId.values())) }
}

function keyed(bucket: number, id: number, row: RowDelta, month: KeyedDelta | undefined): KeyedDelta {
  return { bucket, id, row, month, days: 1, requestsBefore: 0, activeDays: 0, packed: [] }
}

/** A month of one day is that day; only where a batch spans several are they added up. */
function addToMonth(month: KeyedDelta, row: RowDelta, packed: 2 | 4): void {
  if (month.days === 1) month.row = addRows(emptyRow(packed), month.row)
  addRows(month.row, row)
  month.days++
}

function addRows(sum: RowDelta, row: RowDelta): RowDelta {
  addRow(sum, row.measures, 1)
  sum.costBeyond += row.costBeyond
  sum.firstMs = Math.min(sum.firstMs, row.firstMs)
  sum.lastMs = Math.max(sum.lastMs, row.lastMs)
  for (const [n, keys] of row.added.entries()) for (const key of keys ?? []) count(sum.added, n, key)
  if (row.removed === undefined) return sum
  const removed = countsOf(sum, -1)
  for (const [n, keys] of row.removed.entries()) for (const key of keys ?? []) count(removed, n, key)
  return sum
}

/** Text where a number would not be exact. */
export function costOf({ measures, costBeyond }: RowDelta): number | string {
  const cost = measures[COST] ?? 0
  return costBeyond === 0n ? cost : String(costBeyond + BigInt(cost))
}
