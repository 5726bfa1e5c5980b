import { addDays, type Store } from '@spanledger/store'

import { zoneOf } from '../query/buckets.ts'
import { columnDictionary } from './compile-dimension.ts'
import { numberFields } from './compile-filter.ts'
import { resolveDimension, type Dimension } from '../query/dimensions.ts'
import { namesIn } from '../query/filter.ts'
import type { Period } from '../query/period.ts'
import type { DayPart, Scope } from './scope.ts'
import { isShort, timeKeyOfDay } from '../query/time-bucket.ts'

/** A period as closed days, each with the part of it that can tell, and what is left for the calls to tell. */
export interface ClosedGroups {
  readonly days: readonly DayPart[]
  readonly rest: readonly Period[]
}

/** Parts of a day's groups, as the store names them: by model, by kind, by several properties; others are keys of properties. */
const MODELS = -1
const KINDS = -2
const JOINT = 0
const OTHER_KEYS = -3

/** @returns undefined where closed days cannot tell, or there are none */
export async function closedGroups(store: Store, scope: Scope, dimensions: readonly Dimension[]): Promise<ClosedGroups | undefined> {
  const wanted = wantedParts(scope, dimensions)
  const step = [...dimensions, ...(scope.groups?.dimensions ?? [])].find((one) => one.kind === 'time')?.step
  if (wanted === undefined || scope.period.fromMs >= scope.period.toMs) return undefined
  // Days are those of the store's zone: other days can be told together only.
  if (step !== undefined && (isShort(step) || scope.timeZone !== store.timeZone)) return undefined
  const zone = zoneOf(store.timeZone)
  const { fromMs, toMs } = scope.period
  const days: DayPart[] = []
  const rest: { fromMs: number; toMs: number }[] = []
  const rows = await readParts(store, {
    first: zone.day(fromMs),
    last: zone.day(toMs - 1),
    parts: [MODELS, KINDS, OTHER_KEYS, ...wanted.keys],
  })
  for (const { day, kept } of rows) {
    const whole = { fromMs: zone.startOfDay(day), toMs: zone.startOfDay(addDays(day, 1)) }
    const part = kept === null || whole.fromMs < fromMs || whole.toMs > toMs ? undefined : partOf(kept, wanted, scope)
    if (part !== undefined) days.push({ day, part, timeKey: step === undefined ? 0 : timeKeyOfDay(step, day) })
    else if (rest.at(-1)?.toMs === whole.fromMs)
      rest.splice(-1, 1, { fromMs: rest.at(-1)?.fromMs ?? fromMs, toMs: Math.min(toMs, whole.toMs) })
    else rest.push({ fromMs: Math.max(fromMs, whole.fromMs), toMs: Math.min(toMs, whole.toMs) })
  }
  return days.length === 0 ? undefined : { days, rest }
}

/** What a question is about: models, kinds of calls, or properties by key. */
interface Wanted {
  readonly of: 'models' | 'kinds' | 'properties'
  readonly keys: readonly number[]
}

/** @returns undefined where it is about more than one of them, or about something else */
function wantedParts({ catalog, where, groups, attribution }: Scope, dimensions: readonly Dimension[]): Wanted | undefined {
  const named = where === undefined ? [] : namesIn(where)
  if (attribution !== undefined || named.some((name) => Object.hasOwn(numberFields, name))) return undefined
  const all = [...dimensions, ...(groups?.dimensions ?? []), ...named.map((name) => resolveDimension(name, catalog))]
  const about = new Set<Wanted['of']>()
  const keys = new Set<number>()
  for (const dimension of all) {
    if (dimension.kind === 'time') continue
    if (dimension.kind === 'column') {
      const table = columnDictionary(dimension.name)
      if (table !== 'models' && table !== 'kinds') return undefined
      about.add(table)
      continue
    }
    const key = dimension.kind === 'property' ? catalog.keys.get(dimension.key) : undefined
    if (key === undefined) return undefined
    about.add('properties')
    keys.add(key.keyId)
  }
  const [of = 'models', ...others] = about
  return others.length > 0 ? undefined : { of, keys: [...keys] }
}

type Kept = Readonly<Record<string, 0 | 1 | 2>>

/** The days that have calls; `kept` is null of those that are not closed. */
async function readParts(
  store: Store,
  { first, last, parts }: { first: number; last: number; parts: readonly number[] },
): Promise<{ day: number; kept: Kept | null }[]> {
  const [row] = await store.all<{ rows: string }>(
    `SELECT json_group_array(json_array(day, json(kept))) AS rows FROM (
       SELECT b.day, iif(d.day IS NULL, NULL, (SELECT json_group_object(p.part, p.kept) FROM day_parts AS p
         WHERE p.day = d.day AND p.part IN (SELECT value FROM json_each(?)))) AS kept
       FROM (SELECT DISTINCT bucket AS day FROM rollup_models WHERE bucket BETWEEN ? AND ? AND bucket % 100 <> 0) AS b
       LEFT JOIN closed_days AS d ON d.day = b.day ORDER BY b.day)`,
    JSON.stringify(parts),
    first,
    last,
  )
  return (JSON.parse(row?.rows ?? '[]') as [number, Kept | null][]).map(([day, kept]) => ({ day, kept }))
}

/** The part of a day that tells of all that is wanted; undefined where the calls have to. */
function partOf(kept: Kept, { of, keys }: Wanted, { catalog }: Scope): number | undefined {
  const whole = kept[MODELS] === 1 ? MODELS : kept[KINDS] === 1 ? KINDS : undefined
  if (of === 'models') return kept[MODELS] === 1 ? MODELS : undefined
  if (of === 'kinds') return kept[KINDS] === 1 ? KINDS : undefined
  const mayBeText = kept[OTHER_KEYS] !== undefined
  if (mayBeText && [...catalog.keys.values()].some(({ keyId, place }) => keys.includes(keyId) && place === 'overflow')) return undefined
  // A key that is not there no call of the day has: any part tells that.
  const there = keys.filter((keyId) => kept[keyId] !== undefined)
  const [only] = there
  if (only === undefined) return whole
  if (there.length === 1) return kept[only] === 0 ? undefined : only
  return there.every((keyId) => kept[keyId] === 2) ? JOINT : undefined
}
