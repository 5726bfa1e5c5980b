import { callSum } from './call-columns.ts'
import { compileBase } from './compile.ts'
import { localDaySql } from './compile-dimension.ts'
import type { Dimension } from '../query/dimensions.ts'
import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { SumName } from '../sums/group.ts'
import type { Scope } from './scope.ts'

/** What is read of every user of a scope. */
export interface UserSumsReading {
  readonly sums: readonly SumName[]
  readonly activeDays: boolean
}

/**
 * One row: the active days of all users together, then JSON lists of user ids, costs (null where no call has a price), the
 * sums, active days. From rollups a user stands there once a bucket: adding up is cheaper for the reader than for SQLite.
 */
export function compileUserSums({ sums, activeDays }: UserSumsReading, scope: Scope): Fragment {
  const rollup = compileBase({ source: 'users', dimensions: [], sums: [], needs: [] }, scope)
  const columns = [...sums.map((_, n) => `s${n}`), ...(activeDays ? ['days'] : [])]
  const rows =
    rollup === undefined
      ? userSumsOfCalls(sums, scope)
      : sql`SELECT r.user_id, iif(r.unpriced_requests = r.requests, NULL, r.cost_nano_usd) AS cost,
          iif(r.user_id = 0, 0, r.active_days) AS days ${raw(sums.map((name, n) => `, r.${name} AS s${n}`).join(''))} ${rollup.from}`
  return sql`SELECT coalesce(sum(days), 0) AS all_days, json_group_array(user_id) AS ids, json_group_array(cost) AS cost
    ${raw(columns.map((column) => `, json_group_array(${column}) AS ${column}`).join(''))} FROM (${rows})`
}

function userSumsOfCalls(sums: readonly SumName[], scope: Scope): Fragment {
  const base = compileBase({ source: 'calls', dimensions: [], sums, needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT c.user_id, sum(c.cost_nano_usd) AS cost, iif(c.user_id = 0, 0, count(DISTINCT ${localDaySql(scope)})) AS days
    ${join(
      sums.map((name, n) => sql`, coalesce(${callSum(name)}, 0) AS ${raw(`s${n}`)}`),
      '',
    )} ${base.from} GROUP BY c.user_id`
}

/**
 * One JSON list of the users of a scope, by rows of the rollup: whoever called in several buckets stands there as often, nobody by
 * id 0. Counting the different ones costs SQLite a tree of them all, which takes longer than reading them.
 * @returns undefined where the rollup of users cannot answer
 */
export function compileUserIds(scope: Scope): Fragment | undefined {
  const rollup = compileBase({ source: 'users', dimensions: [], sums: [], needs: [] }, scope)
  return rollup === undefined ? undefined : sql`SELECT json_group_array(r.user_id) AS rows ${rollup.from}`
}

/**
 * One row of JSON lists: user ids, local days (numbered from 1970), requests; a user stands there once for each day with a call.
 */
export function compileUserDays(scope: Scope): Fragment {
  const day: Dimension = { kind: 'time', step: 'day' }
  const reading = { dimensions: [day], sums: [], needs: [] }
  const rollup = compileBase({ ...reading, source: 'users' }, scope)
  const base = rollup ?? compileBase({ ...reading, source: 'calls' }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const rows =
    rollup === undefined
      ? sql`SELECT c.user_id, ${join(base.keys, ', ')}, count(*) AS n ${base.from} GROUP BY c.user_id, k0`
      : sql`SELECT r.user_id, ${join(base.keys, ', ')}, r.requests AS n ${base.from}`
  return sql`SELECT json_group_array(user_id) AS user_ids, json_group_array(k0) AS days, json_group_array(n) AS n FROM (${rows})`
}

/** One row of JSON lists: what of each call of a user says how the user behaves, in the order of time; features by key, see `compileFeatureNames`. `withIds`: the hex of trace and span too. */
export function compileUserCalls(scope: Scope, { withIds, withAnswers }: { withIds: boolean; withAnswers: boolean }): Fragment {
  const feature: Dimension = { kind: 'property', key: 'feature' }
  const base = compileBase({ source: 'calls', dimensions: [feature], sums: [], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const columns = ['user_id', 'session_id', 'start_ms', 'latency_ms', 'ttft_ms', 'kind_id', 'model_id']
  const ids = [...(withIds ? [`${callId} AS id`] : []), ...(withAnswers ? ['c.response_hash AS answer'] : [])]
  const names = [...(withIds ? ['id'] : []), ...(withAnswers ? ['answer'] : [])]
  return sql`SELECT ${raw([...columns, 'k0', ...names].map((name) => `json_group_array(${name}) AS ${name}`).join(', '))} FROM (
    SELECT ${raw(columns.map((name) => `c.${name}`).join(', '))}, ${join(base.keys, ', ')} ${raw(ids.map((column) => `, ${column}`).join(''))}
    ${base.from} AND c.user_id <> 0 ORDER BY c.start_ms, c.span_id, c.trace_id)`
}

const callId = 'hex(c.trace_id) || hex(c.span_id)'

/**
 * One row of JSON lists: the calls of users of which it can be told whether they ask something once more: those with a fingerprint, those
 * of which the app says so, and what these repeat. `only`: some of them.
 */
export function compileAskedCalls(scope: Scope, only?: Fragment): Fragment {
  const base = compileBase({ source: 'calls', dimensions: [{ kind: 'property', key: 'feature' }], sums: [], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const columns = ['user_id', 'session_id', 'start_ms', 'latency_ms', 'kind_id', 'fingerprint', 'id', 'retry_of', 'k0']
  const retryOf = `(SELECT hex(s.of_trace_id) || hex(s.of_span_id) FROM retried_calls AS s
    WHERE s.start_ms = c.start_ms AND s.span_id = c.span_id AND s.trace_id = c.trace_id)`
  return sql`SELECT ${raw(columns.map((name) => `json_group_array(${name}) AS ${name}`).join(', '))} FROM (
    SELECT c.user_id, c.session_id, c.start_ms, c.latency_ms, c.kind_id, c.fingerprint, ${raw(callId)} AS id, ${raw(retryOf)} AS retry_of,
      ${join(base.keys, ', ')} ${base.from} AND c.user_id <> 0 AND (c.fingerprint IS NOT NULL OR ${raw(retryOf)} IS NOT NULL
        OR (c.span_id, c.trace_id) IN (SELECT of_span_id, of_trace_id FROM retried_calls)) AND ${only ?? raw('true')})`
}

/** One JSON text of rows `[key, feature, requests, those with a fingerprint, those that programs tried again]` of users' calls. */
export function compileTriedAgain(scope: Scope): Fragment {
  const base = compileBase({ source: 'calls', dimensions: [{ kind: 'property', key: 'feature' }], sums: ['errors'], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const [feature] = base.dimensions
  return sql`SELECT json_group_array(json_array(k0, ${feature?.label('k0') ?? raw('k0')}, n, asked, tried)) AS rows FROM (
    SELECT ${join(base.keys, ', ')}, count(*) AS n, count(c.fingerprint) AS asked, sum(kinds.auto_retry <> '') AS tried ${base.from} AND c.user_id <> 0 GROUP BY k0)`
}

/** One JSON list: the users whom a rate limit refused a call, from rollups; undefined where they cannot tell. */
export function compileRateLimitedUsers(scope: Scope): Fragment | undefined {
  const base = compileBase({ source: 'users', dimensions: [], sums: [], needs: [] }, scope)
  return base === undefined
    ? undefined
    : sql`SELECT json_group_array(DISTINCT r.user_id) AS rows ${base.from} AND r.rate_limited_requests > 0`
}

/** One JSON text of rows `[user id, local day, requests, those with a fingerprint, different ones]`. */
export function compileAskedDays(scope: Scope): Fragment {
  const base = compileBase({ source: 'calls', dimensions: [{ kind: 'time', step: 'day' }], sums: [], needs: [] }, scope)
  // The calls know every dimension and filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT json_group_array(json_array(user_id, k0, n, asked, different)) AS rows FROM (
    SELECT c.user_id, ${join(base.keys, ', ')}, count(*) AS n, count(c.fingerprint) AS asked, count(DISTINCT c.fingerprint) AS different
    ${base.from} AND c.user_id <> 0 GROUP BY c.user_id, k0 HAVING count(c.fingerprint) > 0)`
}

/** One JSON text of rows `[key, text]`: the features that keys of `compileUserCalls` stand for. */
export function compileFeatureNames(keys: readonly (string | number)[], scope: Scope): Fragment {
  const [feature] =
    compileBase({ source: 'calls', dimensions: [{ kind: 'property', key: 'feature' }], sums: [], needs: [] }, scope)?.dimensions ?? []
  if (feature === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT json_group_array(json_array(k0, ${feature.label('k0')})) AS rows
    FROM (SELECT value AS k0 FROM json_each(${JSON.stringify(keys)}))`
}
