import { encodeCounts } from '../rollups/counts.ts'
import type { DayKeeper } from './day-keeper.ts'
import { readKeptCalls, type KeptCall } from '../sessions/kept-calls.ts'
import { addDays } from '../zone.ts'

/** What the calls of users on a day come to: by quarter of an hour, feature, model and kind, and how long each waited. */
export const dayUsage: DayKeeper = {
  tables: ['day_usage', 'day_waits'],
  fill: async (db, { day, zone, schema }) => {
    const counts: CallCounts = { quarters: new Map(), features: new Map(), models: new Map(), kinds: new Map(), waits: new Map() }
    for await (const calls of readKeptCalls(db, { fromMs: zone.startOfDay(day), toMs: zone.startOfDay(addDays(day, 1)) }))
      for (let n = 0; n < calls.count; n++) countCall(counts, calls.call(n))
    const packed = ([counts.quarters, counts.features, counts.models, counts.kinds] as const).map(hexOf)
    await db.run(
      `INSERT INTO ${schema}.day_usage (day, quarters, features, models, kinds) VALUES (?, unhex(?), unhex(?), unhex(?), unhex(?))`,
      day,
      ...packed,
    )
    await db.run(
      `INSERT INTO ${schema}.day_waits (day, feature_id, waits) SELECT ?, value->>0, unhex(value->>1) FROM jsonb_each(?)`,
      day,
      JSON.stringify([...counts.waits].map(([featureId, waits]) => [featureId, hexOf(waits)])),
    )
  },
}

interface CallCounts {
  readonly quarters: Map<number, number>
  readonly features: Map<number, number>
  readonly models: Map<number, number>
  readonly kinds: Map<number, number>
  /** By feature. */
  readonly waits: Map<number, Map<number, number>>
}

function countCall(counts: CallCounts, { userId, startMs, featureId, modelId, kindId, waitMs }: KeptCall): void {
  if (userId === 0) return
  countUp(counts.quarters, Math.floor(startMs / 900_000))
  countUp(counts.features, featureId)
  countUp(counts.models, modelId)
  countUp(counts.kinds, kindId)
  let waits = counts.waits.get(featureId)
  if (waits === undefined) counts.waits.set(featureId, (waits = new Map()))
  countUp(waits, waitMs)
}

function countUp(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function hexOf(counts: ReadonlyMap<number, number>): string {
  return Buffer.from(encodeCounts(counts)).toString('hex')
}
