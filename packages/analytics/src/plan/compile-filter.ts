import { parseUsd } from '@spanledger/conventions'

import { matchSql } from './compile-dimension.ts'
import { NONE, resolveDimension, type Dimension } from '../query/dimensions.ts'
import { refuseDone, type FilterNode, type TextOperator } from '../query/filter.ts'
import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import { keptId } from '../ledger/kept-id.ts'
import { metricNames } from '../query/metrics.ts'
import { QueryError, unknownName } from '../query/query-error.ts'
import { hasRows, type Scope, type Source } from './scope.ts'

/** Numbers of one call that a filter may compare; NULL is unknown. Tokens of calls without usage are unknown, not 0. */
export const numberFields = {
  cost_usd: 'c.cost_nano_usd',
  latency_ms: 'c.latency_ms',
  ttft_ms: 'c.ttft_ms',
  input_tokens: tokenField('c.input_tokens + c.audio_input_tokens + c.image_input_tokens'),
  cache_read_tokens: tokenField('c.cache_read_tokens + c.audio_cache_read_tokens'),
  cache_write_tokens: tokenField('c.cache_write_5m_tokens + c.cache_write_1h_tokens'),
  output_tokens: tokenField('c.output_tokens + c.audio_output_tokens + c.image_output_tokens'),
  reasoning_tokens: tokenField('c.reasoning_tokens'),
  total_tokens: tokenField(
    `c.input_tokens + c.audio_input_tokens + c.image_input_tokens + c.cache_read_tokens + c.audio_cache_read_tokens
      + c.cache_write_5m_tokens + c.cache_write_1h_tokens + c.output_tokens + c.audio_output_tokens + c.image_output_tokens + c.reasoning_tokens`,
  ),
} as const

function tokenField(sum: string): string {
  return `iif((SELECT q.usage_quality FROM kinds AS q WHERE q.kind_id = c.kind_id) = 'missing', NULL, ${sum})`
}

/**
 * A filter as SQL that is 1 or 0, never NULL: `not` is then the exact opposite.
 * @returns undefined where the source cannot decide it
 * @throws QueryError for names that are unknown, or numbers of no single call
 */
export function filterSql(node: FilterNode, source: Source, scope: Scope): Fragment | undefined {
  switch (node.kind) {
    case 'group': {
      const parts = node.parts.map((part) => filterSql(part, source, scope))
      return parts.every((part) => part !== undefined) ? sql`(${join(parts, node.operator === 'and' ? ' AND ' : ' OR ')})` : undefined
    }
    case 'not': {
      const part = filterSql(node.part, source, scope)
      return part === undefined ? undefined : sql`NOT ${part}`
    }
    case 'number':
      return numberSql(node, source)
    case 'presence': {
      const present = testDimension(dimensionOf(node.name, scope), { operator: 'exists', values: [] }, source, scope)
      return present === undefined ? undefined : node.operator === 'exists' ? present : sql`NOT ${present}`
    }
    case 'text':
      return textSql(node, source, scope)
    case 'users':
      return usersSql(node.ids, source)
    case 'done':
      return refuseDone('here')
  }
}

function dimensionOf(name: string, { catalog }: Scope): Dimension {
  const dimension = resolveDimension(name, catalog)
  if (dimension.kind === 'time')
    throw new QueryError(`A filter cannot use "${name}". Give the period with since and until.`, { given: name })
  return dimension
}

function textSql({ operator, name, values }: FilterNode & { kind: 'text' }, source: Source, scope: Scope): Fragment | undefined {
  if (Object.hasOwn(numberFields, name)) {
    throw new QueryError(`"${name}" is a number: compare it with >, >=, < or <=.`, { given: name, allowed: ['gt', 'gte', 'lt', 'lte'] })
  }
  const dimension = dimensionOf(name, scope)
  const negated = operator === 'is_not' || operator === 'not_contains'
  const positive = operator === 'is_not' ? 'is' : operator === 'not_contains' ? 'contains' : operator
  const withValue = values.filter((value) => positive !== 'is' || value !== NONE)
  const sought = positive === 'is' && isId(dimension) ? withValue.map(keptId) : withValue
  const found = testDimension(dimension, { operator: positive, values: sought }, source, scope)
  if (found === undefined) return undefined
  const present = testDimension(dimension, { operator: 'exists', values: [] }, source, scope)
  const matches = withValue.length === values.length || present === undefined ? found : sql`(${found} OR NOT ${present})`
  return negated ? sql`NOT ${matches}` : matches
}

function isId(dimension: Dimension): boolean {
  return dimension.kind === 'column' && (dimension.name === 'user' || dimension.name === 'session')
}

type Test = { readonly operator: Exclude<TextOperator, 'is_not' | 'not_contains'> | 'exists'; readonly values: readonly string[] }

function testDimension(dimension: Dimension, test: Test, source: Source, scope: Scope): Fragment | undefined {
  if (dimension.kind === 'segment') return testSegment(test, source, scope)
  return matchSql(dimension, { source, scope, test: (text) => testSql(test, text), exactly: test.operator === 'is' })
}

function testSql({ operator, values }: Test, text: Fragment): Fragment {
  const list = JSON.stringify(values)
  switch (operator) {
    case 'exists':
      return raw('1')
    case 'is':
      return sql`${text} IN (SELECT value FROM json_each(${list}))`
    case 'contains':
      return sql`EXISTS (SELECT 1 FROM json_each(${list}) AS w WHERE instr(${text}, w.value) > 0)`
    case 'starts_with':
      return sql`EXISTS (SELECT 1 FROM json_each(${list}) AS w WHERE substr(${text}, 1, length(w.value)) = w.value)`
  }
}

/** Segments are no column: which users are in one was computed before. */
function testSegment({ operator, values }: Test, source: Source, { memberships }: Scope): Fragment | undefined {
  if (operator === 'is') {
    for (const value of values) if (!memberships.names.includes(value)) throw unknownName('segment', value, { allowed: memberships.names })
  }
  const passes = (segment: string): boolean => {
    if (operator === 'exists') return true
    if (operator === 'is') return values.includes(segment)
    return values.some((value) => (operator === 'contains' ? segment.includes(value) : segment.startsWith(value)))
  }
  const ids = [...memberships.of].filter(([, { segments }]) => segments.some(passes)).map(([userId]) => userId)
  return usersSql(ids, source)
}

function usersSql(ids: readonly number[], source: Source): Fragment | undefined {
  const pointer = hasRows(source) ? 'c.user_id' : source === 'users' ? 'r.user_id' : undefined
  return pointer === undefined ? undefined : sql`${raw(pointer)} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
}

const operatorSql = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function numberSql({ operator, name, value }: FilterNode & { kind: 'number' }, source: Source): Fragment | undefined {
  if (!Object.hasOwn(numberFields, name)) throw noNumberOfACall(name)
  if (source !== 'calls') return undefined
  return sql`ifnull(${raw(numberFields[name as keyof typeof numberFields])} ${raw(operatorSql[operator])} ${boundNumber(name, value)}, 0)`
}

/** Bound as text, which SQLite compares exactly once cast: the driver binds large numbers as doubles. */
function boundNumber(name: string, value: number): Fragment {
  if (name !== 'cost_usd') return sql`CAST(${String(value)} AS REAL)`
  if (value < 0) return raw('-1')
  const nanoUsd = parseUsd(value)
  if (nanoUsd === undefined) throw new QueryError(`${value} USD is more than one call can cost.`, { given: String(value) })
  return sql`CAST(${String(nanoUsd)} AS INTEGER)`
}

function noNumberOfACall(name: string): QueryError {
  const fields = Object.keys(numberFields)
  if ((metricNames as readonly string[]).includes(name)) {
    return new QueryError(
      `"${name}" is counted over many calls; a filter looks at one call. It may compare: ${fields.join(', ')}. To see the largest ${name}, sort by it.`,
      { given: name, allowed: fields },
    )
  }
  return unknownName('number in the filter', name, { allowed: fields, advice: 'Dimensions and properties are compared with = and !=.' })
}
