import { change, type RawRow } from '../query/answer.ts'
import { scopeOf, readTotals, type Frame } from './frame.ts'
import type { Group } from '../sums/group.ts'
import type { Amount } from '../query/metric.ts'
import { metricTable, type MetricName } from '../query/metrics.ts'
import { previousPeriod, type CompareMode, type Period } from '../query/period.ts'
import { QueryError } from '../query/query-error.ts'
import type { FoundGroup } from './found-groups.ts'
import { readGroups } from './read-groups.ts'
import { timeKeysOf, type TimeStep } from '../query/time-bucket.ts'

/** The metrics of a group by name. */
export function amountCells(metrics: readonly MetricName[], group: Group): Map<string, Amount> {
  return new Map(metrics.map((name) => [name, metricTable[name].of(group)]))
}

/** What `*_previous` and `*_change` hold; a group that was not there before made no calls, cost nothing. */
export function comparison(metrics: readonly MetricName[], row: RawRow, previous: RawRow | undefined): [string, Amount | string][] {
  const areRetriesTold = (row.get('retries') ?? null) !== null
  const nothing: Group = { sums: new Map(), costNanoUsd: 0n, ...(areRetriesTold ? { retries: { requests: 0, retries: 0 } } : {}) }
  const before = previous ?? amountCells(metrics, nothing)
  return metrics.flatMap((name): [string, Amount | string][] => [
    [`${name}_previous`, before.get(name) ?? null],
    [`${name}_change`, change(row.get(name) ?? null, before.get(name) ?? null)],
  ])
}

/** @throws QueryError where there is nothing before the period */
export function checkComparable({ since, last }: { since: string | undefined; last: string | undefined }): void {
  if (since === undefined && last === undefined) {
    throw new QueryError('To compare with the previous period, give one: since or last (e.g. last 28d).', { given: 'compare' })
  }
}

/** The groups of the period before. */
export interface Previous {
  /** What a group was before: undefined where it had no calls, empty where the period before has no such step of time. */
  readonly of: (group: FoundGroup) => RawRow | undefined
  /** What some groups were together, or all others, groups that are gone among them; or simply all. */
  readonly together: (chosen: { readonly groups: readonly FoundGroup[]; readonly are: 'in' | 'out' } | undefined) => Promise<RawRow>
}

export async function readPrevious(frame: Frame, metrics: readonly MetricName[], compare: CompareMode): Promise<Previous> {
  const period = previousPeriod(frame.period, frame.zone, compare)
  const scope = await scopeOf(frame, period)
  const groups = await readGroups(frame.store, scope, { dimensions: frame.dimensions, metrics })
  const time = frame.dimensions.find(({ kind }) => kind === 'time')
  const steps =
    time?.kind === 'time' ? { now: stepNumbers(time.step, frame.period, frame), before: stepNumbers(time.step, period, frame) } : undefined
  const at = time === undefined ? -1 : frame.dimensions.indexOf(time)
  const before = new Map(groups.map((found) => [nameOf(found, at, steps?.before), found]))
  const matchOf = (found: FoundGroup): FoundGroup | undefined => before.get(nameOf(found, at, steps?.now))
  const hasStep = (found: FoundGroup): boolean =>
    steps === undefined || (steps.now.get(Number(found.keys[at])) ?? Number.POSITIVE_INFINITY) < steps.before.size
  return {
    of: (found) => {
      if (!hasStep(found)) return new Map()
      const match = matchOf(found)
      return match === undefined ? undefined : amountCells(metrics, match.group)
    },
    together: async (chosen) => {
      if (chosen === undefined) return amountCells(metrics, await readTotals(frame, scope, metrics))
      const matches = chosen.groups.filter(hasStep).flatMap((found) => matchOf(found) ?? [])
      const choice = { dimensions: frame.dimensions, keys: matches.map(({ keys }) => keys), are: chosen.are }
      return amountCells(metrics, await readTotals(frame, { ...scope, groups: choice }, metrics))
    },
  }
}

type StepNumbers = ReadonlyMap<number, number>

function stepNumbers(step: TimeStep, period: Period, { zone }: Frame): StepNumbers {
  return new Map([...timeKeysOf(step, period, zone)].map((key, n) => [key, n]))
}

/** A name that a group shares with the one it is compared with: the step of time at `at`, if any, by its number in the period. */
function nameOf({ keys }: FoundGroup, at: number, numbers: StepNumbers | undefined): string {
  return JSON.stringify(numbers === undefined ? keys : keys.with(at, numbers.get(Number(keys[at])) ?? null))
}
