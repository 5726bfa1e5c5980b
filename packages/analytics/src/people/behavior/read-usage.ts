import type { CallCounts } from '../../behavior/call-counts.ts'
import { ratio } from '../../behavior/session-metrics.ts'
import { equals, type UsageCounts } from '../../behavior/usage-patterns.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readBehavior } from './read-behavior.ts'

/** What usage patterns are told from. */
export async function readUsage(frame: Frame): Promise<UsageCounts> {
  const { totals, counts, words } = await readBehavior(frame, { counts: 'all' })
  const features = byName(counts.features, await words.features(counts.features.keys()))
  const models = byName(counts.models, await words.models())
  const isOneUser = counts.users === 1
  const sessionLengthAvgMs = ratio(totals.durationMs, totals.closed)
  return {
    requests: requestsOf(counts),
    userDays: counts.userDays,
    hours: byHour(counts, frame.zone.name),
    features,
    models,
    featureUsers: new Map(await usersOf(frame, 'feature', isOneUser ? [] : equals(features, 'features'))),
    modelUsers: new Map(await usersOf(frame, 'model', isOneUser ? [] : equals(models, 'models'))),
    sessionLengthAvgS: sessionLengthAvgMs === null ? null : sessionLengthAvgMs / 1000,
  }
}

/** The calls that were counted. */
function requestsOf({ kinds }: CallCounts): number {
  return [...kinds.values()].reduce((sum, count) => sum + count, 0)
}

/** Counts by id as counts by what ids stand for; several may stand for one, those that stand for nothing are left out. */
function byName(counts: ReadonlyMap<number, number>, names: ReadonlyMap<number, string>): Map<string, number> {
  const named = new Map<string, number>()
  for (const [id, count] of counts) {
    const name = names.get(id)
    if (name !== undefined) named.set(name, (named.get(name) ?? 0) + count)
  }
  return named
}

/** An hour that a clock repeats is the same hour of the day twice. */
function byHour({ quarters }: CallCounts, timeZone: string): Map<number, number> {
  const hourOf = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' })
  const hours = new Map<number, number>()
  for (const [quarter, count] of quarters) {
    const hour = timeZone === 'UTC' ? Math.floor(quarter / 4) % 24 : Number(hourOf.format(quarter * 900_000))
    hours.set(hour, (hours.get(hour) ?? 0) + count)
  }
  return hours
}

/** How many users have each of some features or models; read only where their requests do not decide. */
async function usersOf(frame: Frame, name: 'feature' | 'model', values: readonly string[]): Promise<[string, number][]> {
  if (values.length === 0) return []
  const dimension = name === 'model' ? ({ kind: 'column', name } as const) : ({ kind: 'property', key: name } as const)
  const found = await readGroups(frame.store, await scopeOf(frame, frame.period), { dimensions: [dimension], metrics: ['users'] })
  return found.flatMap(({ labels, group }): [string, number][] =>
    typeof labels[0] === 'string' && values.includes(labels[0]) ? [[labels[0], group.users ?? 0]] : [],
  )
}
