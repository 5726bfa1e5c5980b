import { QueryError, unknownName } from './query-error.ts'

/**
 * Which calls a question is about, as data. Lists are "any of"; what holds for no value (`is_not`, `not_contains`) also
 * holds for calls without one. A comparison with an unknown number is false.
 */
export type Filter =
  | readonly [TextOperator, string, readonly FilterValue[]]
  | readonly [NumberOperator, string, number]
  | readonly ['exists' | 'missing', string]
  | readonly ['segment', readonly string[]]
  | readonly ['has_done', Filter, DoneWords?]
  | readonly ['and' | 'or', ...Filter[]]
  | readonly ['and' | 'or', readonly Filter[]]
  | readonly ['not', Filter]

/** How often a user has to have done it (once), and within how long before the period ends (in the period). */
export interface DoneWords {
  readonly min?: number
  /** `30d`, `4w`, `3mo` */
  readonly within?: string
}

export type FilterValue = string | number | boolean
export type TextOperator = (typeof textOperators)[number]
export type NumberOperator = (typeof numberOperators)[number]

export const textOperators = ['is', 'is_not', 'contains', 'not_contains', 'starts_with'] as const
export const numberOperators = ['gt', 'gte', 'lt', 'lte'] as const
const allOperators = [...textOperators, ...numberOperators, 'exists', 'missing', 'segment', 'has_done', 'and', 'or', 'not']

/** How many operands an operator takes at most: what is behind them would be passed over. */
const operands: Readonly<Record<string, number>> = {
  ...Object.fromEntries([...textOperators, ...numberOperators].map((operator) => [operator, 2])),
  exists: 1,
  missing: 1,
  segment: 1,
  not: 1,
  has_done: 2,
}

/** Bounds of a filter, so that none can be built that keeps a ledger busy. */
const filterLimits = { depth: 5, nodes: 100, values: 1000 } as const

/** A filter in its one inner shape: texts are text, lists of `and` and `or` are lists. */
export type FilterNode =
  | { readonly kind: 'text'; readonly operator: TextOperator; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: 'number'; readonly operator: NumberOperator; readonly name: string; readonly value: number }
  | { readonly kind: 'presence'; readonly operator: 'exists' | 'missing'; readonly name: string }
  | { readonly kind: 'group'; readonly operator: 'and' | 'or'; readonly parts: readonly FilterNode[] }
  | { readonly kind: 'not'; readonly part: FilterNode }
  /** Of users with at least so many calls that fit; `within` as in `last`. */
  | { readonly kind: 'done'; readonly part: FilterNode; readonly min: number; readonly within: string | undefined }
  /** Of these users, by id: what `done` becomes once it was looked up. */
  | { readonly kind: 'users'; readonly ids: readonly number[] }

/**
 * Reads a filter from data of any origin.
 * @throws QueryError that names the part that is wrong
 */
export function parseFilter(data: unknown, path: 'where' | 'having' = 'where'): FilterNode {
  const spent = { nodes: 0, values: 0 }
  return parseNode(data, { path, depth: 1, spent })
}

interface Place {
  readonly path: string
  readonly depth: number
  readonly spent: { nodes: number; values: number }
}

function parseNode(data: unknown, place: Place): FilterNode {
  const { path, depth, spent } = place
  if (!Array.isArray(data) || typeof data[0] !== 'string') {
    throw new QueryError(`${path} must be a list that begins with an operator, such as ["is", "property:plan", ["pro"]].`, { given: path })
  }
  spent.nodes++
  if (spent.nodes > filterLimits.nodes) throw tooLarge('parts', filterLimits.nodes)
  if (depth > filterLimits.depth) throw tooLarge('levels', filterLimits.depth)
  const [operator, ...rest] = data as [string, ...unknown[]]
  const most = Object.hasOwn(operands, operator) ? operands[operator] : undefined
  if (most !== undefined && rest.length > most)
    throw new QueryError(`${path}: "${operator}" takes ${most === 1 ? 'one operand' : `${most} operands`}; here are ${rest.length}.`, {
      given: JSON.stringify(rest[most])?.slice(0, 40) ?? '',
    })
  if (operator === 'and' || operator === 'or') {
    const first: unknown = rest[0]
    // Both ["and", a, b] and ["and", [a, b]] are in use.
    const parts = rest.length === 1 && Array.isArray(first) && Array.isArray(first[0]) ? (first as unknown[]) : rest
    if (parts.length === 0) throw new QueryError(`${path}: "${operator}" needs at least one filter.`, { given: operator })
    return {
      kind: 'group',
      operator,
      parts: parts.map((part, n) => parseNode(part, { path: `${path}[${n + 1}]`, depth: depth + 1, spent })),
    }
  }
  if (operator === 'not') return { kind: 'not', part: parseNode(rest[0], { path: `${path}[1]`, depth: depth + 1, spent }) }
  if (operator === 'segment') {
    return { kind: 'text', operator: 'is', name: 'segment', values: parseValues(rest[0], place) }
  }
  if (operator === 'has_done') {
    const part = parseNode(rest[0], { path: `${path}[1]`, depth: depth + 1, spent })
    return { kind: 'done', part, ...parseDone(rest[1], path) }
  }
  return parseLeaf(operator, rest, place)
}

function parseDone(data: unknown, path: string): { min: number; within: string | undefined } {
  if (data === undefined || data === null) return { min: 1, within: undefined }
  const { min = 1, within, ...others } = data as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw unknownName(`option of has_done at ${path}[2]`, unknown, { allowed: ['min', 'within'] })
  if (typeof min !== 'number' || !Number.isSafeInteger(min) || min < 1)
    throw new QueryError(`${path}[2].min must be a whole number from 1.`, { given: JSON.stringify(min) ?? '' })
  if (within !== undefined && typeof within !== 'string')
    throw new QueryError(`${path}[2].within must be a time such as "30d".`, { given: JSON.stringify(within) ?? '' })
  return { min, within }
}

function parseLeaf(operator: string, [name, operand]: unknown[], place: Place): FilterNode {
  const { path } = place
  if (!allOperators.includes(operator)) throw unknownName(`operator at ${path}[0]`, operator, { allowed: allOperators })
  if (typeof name !== 'string' || name === '') {
    throw new QueryError(`${path}[1] must name a dimension, such as "property:plan" or "user".`, { given: String(name) })
  }
  if (isTextOperator(operator)) return { kind: 'text', operator, name, values: parseValues(operand, place) }
  if (operator === 'exists' || operator === 'missing') return { kind: 'presence', operator, name }
  if (typeof operand !== 'number' || !Number.isFinite(operand)) {
    throw new QueryError(`${path}[2] must be a number for "${operator}".`, { given: JSON.stringify(operand) ?? 'nothing' })
  }
  return { kind: 'number', operator: operator as NumberOperator, name, value: operand }
}

function isTextOperator(operator: string): operator is TextOperator {
  return (textOperators as readonly string[]).includes(operator)
}

function parseValues(data: unknown, { path, spent }: Place): string[] {
  const list: unknown[] = Array.isArray(data) ? data : [data]
  spent.values += list.length
  if (spent.values > filterLimits.values) throw tooLarge('values', filterLimits.values)
  if (list.length === 0) throw new QueryError(`${path} needs at least one value.`, { given: '[]' })
  return list.map((value) => {
    if (typeof value === 'string') return value
    if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value)
    throw new QueryError(`${path} may compare with texts, numbers and booleans only.`, { given: JSON.stringify(value) ?? 'nothing' })
  })
}

function tooLarge(what: string, limit: number): QueryError {
  return new QueryError(`The filter has too many ${what}: at most ${limit} are allowed. Ask several questions instead.`, { given: what })
}

/** What users did is looked up in the calls of a period, before a filter is applied. @throws QueryError always */
export function refuseDone(where: string): never {
  throw new QueryError(`has_done chooses the calls of a report or a query (where). It cannot be used ${where}.`, { given: 'has_done' })
}

/** What both filters let through; undefined is no filter. */
export function both(a: FilterNode | undefined, b: FilterNode | undefined): FilterNode | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return { kind: 'group', operator: 'and', parts: [a, b] }
}

/** Every name a filter looks at. */
export function namesIn(node: FilterNode): string[] {
  if (node.kind === 'group') return node.parts.flatMap(namesIn)
  if (node.kind === 'not' || node.kind === 'done') return namesIn(node.part)
  if (node.kind === 'users') return []
  return [node.name]
}
