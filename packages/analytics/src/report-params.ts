import { automaticOnly, type Segmentation } from './segments/custom-segments.ts'
import { NONE } from './query/dimensions.ts'
import type { FilterNode } from './query/filter.ts'
import type { GivenOptions } from './report-options.ts'
import { QueryError, unknownName } from './query/query-error.ts'
import { segmentNames } from './segments/memberships.ts'
import type { MetricName } from './query/metrics.ts'
import { parseMetricNames, parseQuery, parseWhereField, queryFields, type ParsedQuery, type Query } from './query/query.ts'

/** What a report may be asked with: what a query may, but for its metrics; names as on the command line. */
export interface ReportParams extends Omit<Query, 'metrics'> {
  readonly user?: string | undefined
  /** Only users whose id begins so. */
  readonly user_prefix?: string | undefined
  readonly segment?: string | undefined
  /** Columns of the report; where none are named, those it has anyway. */
  readonly metrics?: readonly string[] | undefined
  /** Metrics beside those that the report has anyway. */
  readonly more_metrics?: readonly string[] | undefined
  /** Options that only some reports take; see `reportOptions`. */
  readonly options?: GivenOptions | undefined
}

/** Params that were checked. */
export interface ReportQuery extends Omit<ParsedQuery, 'metrics'> {
  readonly user: string | undefined
  readonly userPrefix: string | undefined
  readonly segment: string | undefined
  readonly metrics: readonly string[] | undefined
  readonly moreMetrics: readonly MetricName[]
  readonly options: GivenOptions
}

const fields = [...queryFields, 'user', 'user_prefix', 'segment', 'more_metrics', 'options']

/** @throws QueryError that names the param, what it holds and what it may hold */
export function parseReportParams(params: ReportParams, segmentation: Segmentation = automaticOnly): ReportQuery {
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw new QueryError('The params of a report must be an object such as { last: "28d" }.', {
      given: JSON.stringify(params) ?? typeof params,
    })
  for (const field of Object.keys(params)) if (!fields.includes(field)) throw unknownName('param of a report', field, { allowed: fields })
  const { user, user_prefix: userPrefix, segment, metrics, more_metrics: more = [], options = {}, ...rest } = params
  const { metrics: _, ...query } = parseQuery({ ...rest, metrics: ['requests'] })
  if (user === '') throw new QueryError('user must not be empty; calls without a user are "(none)".', { given: '' })
  if (userPrefix === '') throw new QueryError('user_prefix must not be empty. Leave it out to ask for all users.', { given: '' })
  const segments = segmentNames(segmentation)
  if (segment !== undefined && segment !== NONE && !segments.includes(segment)) throw unknownName('segment', segment, { allowed: segments })
  if (metrics !== undefined && metrics.length === 0) throw new QueryError('metrics must name at least one column.', { given: '' })
  return { ...query, user, userPrefix, segment, metrics, moreMetrics: parseMetricNames(more), options: textOptions(options) }
}

/** Lists and numbers as the command line has them: `weeks: [1, 2]` is 1,2. */
function textOptions(options: GivenOptions): GivenOptions {
  const given: [string, unknown][] = Object.entries(options)
  const textOf = (name: string, value: unknown): string | undefined => {
    if (value === undefined || value === null) return undefined
    if (Array.isArray(value)) return value.map((one) => textOf(name, one)).join(',')
    if (typeof value === 'string' || typeof value === 'number') return String(value)
    throw new QueryError(`${name} must be a text, a number or a list of them.`, { given: JSON.stringify(value) ?? typeof value })
  }
  return Object.fromEntries(given.map(([name, value]) => [name, textOf(name, value)]))
}

/** The filter of a report together with its user and its segment, for reports whose rows are not users. */
export function wholeWhere({
  where,
  user,
  userPrefix,
  segment,
}: Pick<ReportQuery, 'where' | 'user' | 'userPrefix' | 'segment'>): FilterNode | undefined {
  const parts = [
    where,
    user === undefined ? undefined : parseWhereField(['is', 'user', [user]]),
    userPrefix === undefined ? undefined : parseWhereField(['starts_with', 'user', [userPrefix]]),
    segment === undefined ? undefined : parseWhereField(['segment', [segment]]),
  ].filter((part) => part !== undefined)
  const [only] = parts
  return parts.length < 2 ? only : { kind: 'group', operator: 'and', parts }
}
