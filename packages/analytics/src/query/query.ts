import { parseFilter, type Filter, type FilterNode } from './filter.ts'
import { attributions, type Attribution } from './list-values.ts'
import { isMetric, isShare, metricNames, partsOf, type MetricName } from './metrics.ts'
import { compareModes, type CompareMode } from './period.ts'
import { QueryError, unknownName } from './query-error.ts'
import { weekStarts, type WeekStart } from './time-bucket.ts'
import { traitModes, type TraitMode } from './traits.ts'
import { parseWhere } from './where.ts'

/** A question as data. */
export interface Query {
  readonly metrics: readonly string[]
  readonly by?: readonly string[] | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly last?: string | undefined
  /** A filter as data, or as the text that `parseWhere` reads. */
  readonly where?: Filter | string | undefined
  readonly order_by?: readonly Order[] | undefined
  readonly limit?: number | undefined
  readonly compare?: CompareMode | undefined
  /** On which day the weeks of `time:week` begin; Monday unless told otherwise. */
  readonly week_start?: WeekStart | undefined
  /** Counts calls whose property is a list under each of its values: whole, or with an equal share of cost and tokens. */
  readonly attribution?: Attribution | undefined
  /** Which value of a trait a call is asked by: the one of its time (`as-of`, the default), or the one at `as_of` (`current`). */
  readonly traits?: TraitMode | undefined
  /** A filter on rows: 'cost_usd > 5 and requests < 10'. Totals are of the rows that pass. */
  readonly having?: Filter | string | undefined
  /** The rows after this place: `meta.next` of the page before. */
  readonly after?: string | undefined
  /** Whether the answer says what all rows that it does not list are together. */
  readonly other?: boolean | undefined
  /** Whether the answer says what each column is. */
  readonly explain?: boolean | undefined
  /** Whether each share is followed by what it rests on (`_numerator`, `_denominator`) and its 95 % interval (`_low`, `_high`). */
  readonly ci?: boolean | undefined
  /** Rows of fewer different users are told as one, so that nobody can be picked out. */
  readonly min_users?: number | undefined
}

export type Order = readonly [column: string, direction: 'asc' | 'desc']

/** A question that was checked. */
export interface ParsedQuery {
  readonly metrics: readonly MetricName[]
  readonly by: readonly string[]
  readonly since: string | undefined
  readonly until: string | undefined
  readonly last: string | undefined
  readonly where: FilterNode | undefined
  readonly orderBy: readonly Order[]
  readonly limit: number | undefined
  readonly compare: CompareMode | undefined
  readonly weekStart: WeekStart | undefined
  readonly attribution: Attribution | undefined
  readonly traits: TraitMode | undefined
  readonly having: FilterNode | undefined
  readonly after: string | undefined
  readonly other: boolean
  readonly explain: boolean
  readonly ci: boolean
  readonly minUsers: number | undefined
}

/** The fields of a `Query`. */
export const queryFields = [
  'metrics',
  'by',
  'since',
  'until',
  'last',
  'where',
  'order_by',
  'limit',
  'compare',
  'week_start',
  'attribution',
  'traits',
  'having',
  'after',
  'other',
  'explain',
  'ci',
  'min_users',
]
const MAX_DIMENSIONS = 8

/**
 * Checks a question of any origin.
 * @throws QueryError that names the field, what it holds and what it may hold
 */
export function parseQuery(data: unknown): ParsedQuery {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new QueryError('A query must be a JSON object, such as {"metrics":["requests","cost_usd"],"by":["user"]}.', {
      given: typeof data,
    })
  }
  const query = data as Record<string, unknown>
  for (const field of Object.keys(query))
    if (!queryFields.includes(field)) throw unknownName('field of the query', field, { allowed: queryFields })
  const by = textList('by', query['by'] ?? [])
  if (by.length > MAX_DIMENSIONS)
    throw new QueryError(`At most ${MAX_DIMENSIONS} dimensions are allowed in by.`, { given: String(by.length) })
  return {
    metrics: parseMetrics(query['metrics']),
    by,
    since: optionalText('since', query['since']),
    until: optionalText('until', query['until']),
    last: optionalText('last', query['last']),
    where: parseWhereField(query['where']),
    orderBy: parseOrder(query['order_by'] ?? []),
    limit: wholeFrom('limit', query['limit'], 1),
    compare: oneOf('compare', query['compare'], compareModes),
    weekStart: oneOf('week_start', query['week_start'], weekStarts),
    attribution: oneOf('attribution', query['attribution'], attributions),
    traits: oneOf('traits', query['traits'], traitModes),
    having: parseWhereField(query['having'], 'having'),
    after: optionalText('after', query['after']),
    other: flag('other', query['other']),
    explain: flag('explain', query['explain']),
    ci: flag('ci', query['ci']),
    minUsers: wholeFrom('min_users', query['min_users'], 2),
  }
}

/** @throws QueryError for a begin of weeks where calls are not split by weeks */
export function checkWeekStart({ by, weekStart }: Pick<ParsedQuery, 'by' | 'weekStart'>): void {
  if (weekStart !== 'sunday' || by.some((name) => name.trim().toLowerCase() === 'time:week')) return
  throw new QueryError('week_start says when the weeks of time:week begin, and nothing is split by those here: add time:week to by.', {
    given: weekStart,
  })
}

/** Names of columns with, where `ci` is asked for, the parts and bounds of each share behind it. @throws QueryError where none is a share */
export function withIntervals<Name extends string>(
  names: readonly Name[],
  { ci }: Pick<ParsedQuery, 'ci'>,
): readonly (Name | MetricName)[] {
  if (!ci) return names
  if (!names.some(isShare)) throw noShares()
  return [...new Set(names.flatMap((name): (Name | MetricName)[] => (isShare(name) ? [name, ...partsOf(name)] : [name])))]
}

/** Of an answer without a share of what is counted one by one. */
export function noShares(): QueryError {
  return new QueryError(
    'ci is of no use here: no column of this answer is a share of what is counted one by one, such as error_rate. Leave it out.',
    { given: 'ci' },
  )
}

function parseMetrics(data: unknown): MetricName[] {
  const names = textList('metrics', data ?? [])
  if (names.length === 0)
    throw new QueryError(`metrics must name at least one of: ${metricNames.join(', ')}.`, { given: '[]', allowed: metricNames })
  return parseMetricNames(names)
}

/** @throws QueryError with the nearest name, for a name that is no metric */
export function parseMetricNames(names: readonly string[]): MetricName[] {
  const unique = new Set<MetricName>()
  for (const name of names) {
    if (!isMetric(name)) throw unknownName('metric', name, { allowed: metricNames })
    unique.add(name)
  }
  return [...unique]
}

/** A filter given as text or as data; nothing for none. */
export function parseWhereField(where: unknown, path: 'where' | 'having' = 'where'): FilterNode | undefined {
  if (where === undefined || where === null || where === '') return undefined
  return parseFilter(typeof where === 'string' ? parseWhere(where) : where, path)
}

function parseOrder(data: unknown): Order[] {
  if (!Array.isArray(data)) throw new QueryError('order_by must be a list such as [["cost_usd","desc"]].', { given: String(data) })
  return data.map((one: unknown): Order => {
    const [column, direction = 'desc'] = Array.isArray(one) ? (one as unknown[]) : [one]
    if (typeof column !== 'string' || (direction !== 'asc' && direction !== 'desc')) {
      throw new QueryError('order_by must be a list such as [["cost_usd","desc"]].', { given: JSON.stringify(one) })
    }
    return [column, direction]
  })
}

function wholeFrom(field: string, data: unknown, least: number): number | undefined {
  if (data === undefined || data === null) return undefined
  if (typeof data !== 'number' || !Number.isInteger(data) || data < least) {
    throw new QueryError(`${field} must be a whole number from ${least}.`, { given: String(data) })
  }
  return data
}

function textList(field: string, data: unknown): string[] {
  if (Array.isArray(data) && data.every((one) => typeof one === 'string')) return data
  throw new QueryError(`${field} must be a list of texts.`, { given: JSON.stringify(data) ?? 'nothing' })
}

function oneOf<Word extends string>(field: string, data: unknown, allowed: readonly Word[]): Word | undefined {
  if (data === undefined || data === null) return undefined
  const found = allowed.find((one) => one === data)
  if (found === undefined) throw unknownName(field, String(data), { allowed })
  return found
}

function flag(field: string, data: unknown): boolean {
  if (data === undefined || data === null) return false
  if (typeof data !== 'boolean') throw new QueryError(`${field} must be true or false.`, { given: JSON.stringify(data) })
  return data
}

function optionalText(field: string, data: unknown): string | undefined {
  if (data === undefined || data === null) return undefined
  if (typeof data !== 'string') throw new QueryError(`${field} must be a text.`, { given: JSON.stringify(data) })
  return data
}
