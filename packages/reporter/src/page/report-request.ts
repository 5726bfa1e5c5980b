import { QueryError, reportOptions, unknownName, type GivenOptions, type Order, type ReportParams } from '@spanledger/analytics'

import { parseSort } from '../command/asking.ts'
import { listOf, type ClockWords } from '../command/globals.ts'

/** Rows that one request may ask for. */
export const MAX_ROWS = 10_000
export const DEFAULT_ROWS = 1000
/** Characters of one value; tiers are a file of their own. */
const MAX_TEXT = 16_384
const MAX_TIERS_TEXT = 262_144

/** When and where it is asked: of the analytics, not of a report. */
const clockNames = ['as_of', 'tz'] as const
const textNames = [
  'since',
  'until',
  'last',
  'user',
  'user_prefix',
  'segment',
  'compare',
  'week_start',
  'attribution',
  'traits',
  'after',
] as const
const listNames = ['by', 'metrics', 'more_metrics'] as const
const filterNames = ['where', 'having'] as const
const flagNames = ['other', 'explain', 'ci'] as const
const paramNames: readonly string[] = [
  ...textNames,
  ...clockNames,
  ...listNames,
  ...filterNames,
  ...flagNames,
  'sort',
  'order_by',
  'limit',
  'min_users',
  'options',
]
const optionNames: readonly string[] = Object.keys(reportOptions)

/** A report with the moment and the zone that it is asked for. */
export interface ReportRequest {
  readonly clock: ClockWords
  readonly params: ReportParams
}

/**
 * What a request asks of a report, by the names of the command line: text of a query string, or JSON of a body. The options
 * that only some reports take stand beside the others, or in `options`, where the `params` of an answer have them.
 * @throws QueryError that names the parameter, what it holds and what it may hold
 */
export function readReportRequest(given: Readonly<Record<string, unknown>>): ReportRequest {
  for (const name of Object.keys(given)) {
    if (!paramNames.includes(name) && !optionNames.includes(name))
      throw unknownName('parameter', name, { allowed: [...paramNames, ...optionNames] })
  }
  const of = <Name extends string, Value>(names: readonly Name[], read: (name: Name, value: unknown) => Value) =>
    Object.fromEntries(names.filter((name) => isGiven(given[name])).map((name) => [name, read(name, given[name])]))
  const { as_of: asOf, tz } = of(clockNames, textOf)
  const params = {
    ...of(textNames, textOf),
    ...of(listNames, readList),
    ...of(filterNames, (name, value) => (typeof value === 'string' ? filterText(name, value) : value)),
    ...of(flagNames, readFlag),
    order_by: readOrder(given),
    limit: readLimit(given['limit']),
    min_users: readNumber('min_users', given['min_users']),
    options: readOptions(given),
  } as ReportParams
  return { clock: { asOf, tz }, params }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new QueryError(`${name} must be a text.`, { given: JSON.stringify(value) })
  if (value.length > MAX_TEXT)
    throw new QueryError(`${name} has ${value.length} characters; at most ${MAX_TEXT} are taken.`, { given: `${value.slice(0, 40)}…` })
  return value
}

/** An empty filter is a mistake (a variable that was not set): taken for none, it would show everything. */
function filterText(name: string, value: string): string {
  if (value.trim() === '') throw new QueryError(`${name} is empty. Leave it out to ask for everything.`, { given: value })
  return textOf(name, value)
}

function readList(name: string, value: unknown): string[] | undefined {
  if (Array.isArray(value)) return value.map((one) => textOf(`${name} in its parts`, one))
  return listOf(textOf(name, value))
}

function readFlag(name: string, value: unknown): boolean {
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  throw new QueryError(`${name} must be true or false.`, { given: String(value) })
}

function readOrder({ sort, order_by: order }: Readonly<Record<string, unknown>>): readonly Order[] | undefined {
  if (isGiven(sort) && isGiven(order)) throw new QueryError('Give either sort or order_by, not both.', { given: 'sort' })
  if (isGiven(sort)) return parseSort(textOf('sort', sort))
  // In a query string it is text, which reads as sort does; lists are looked at where the report is asked.
  return typeof order === 'string' ? parseSort(textOf('order_by', order)) : ((order ?? undefined) as readonly Order[] | undefined)
}

function readLimit(value: unknown): number {
  if (!isGiven(value)) return DEFAULT_ROWS
  const limit = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof limit !== 'number' || !(limit <= MAX_ROWS))
    throw new QueryError(`limit must be a whole number up to ${MAX_ROWS}.`, { given: JSON.stringify(value) })
  return limit
}

/** What numbers it may be is said where the report is asked. */
function readNumber(name: string, value: unknown): number | undefined {
  if (!isGiven(value)) return undefined
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number))
    throw new QueryError(`${name} must be a number.`, { given: JSON.stringify(value) })
  return number
}

function readOptions(given: Readonly<Record<string, unknown>>): GivenOptions {
  const inner = given['options'] ?? {}
  if (typeof inner !== 'object' || Array.isArray(inner))
    throw new QueryError('options must be an object of texts, such as {"mode":"streak"}.', { given: JSON.stringify(inner) })
  const beside = Object.fromEntries(Object.entries(given).filter(([name]) => optionNames.includes(name)))
  for (const name of Object.keys(inner))
    if (Object.hasOwn(beside, name) && isGiven(beside[name]))
      throw new QueryError(`${name} is given twice: in options, and beside them.`, { given: name })
  const all = Object.entries({ ...(inner as Record<string, unknown>), ...beside }).filter(([, value]) => isGiven(value))
  return Object.fromEntries(all.map(([name, value]) => [name, readOption(name, value)]))
}

/** Options are text, as on the command line; a body may write numbers, lists of them, and tiers as what they are. */
function readOption(name: string, value: unknown): string {
  if (name === 'tiers') {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    if (text.length > MAX_TIERS_TEXT)
      throw new QueryError(`tiers have ${text.length} characters; at most ${MAX_TIERS_TEXT} are taken.`, { given: name })
    return text
  }
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value) && value.every((one) => typeof one === 'number' || typeof one === 'string')) return textOf(name, value.join(','))
  return textOf(name, value)
}
