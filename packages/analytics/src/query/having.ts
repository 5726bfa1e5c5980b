import { parseUsd } from '@spanledger/conventions'

import type { Column } from './answer.ts'
import { NONE } from './dimensions.ts'
import { namesIn, refuseDone, type FilterNode, type NumberOperator } from './filter.ts'
import { isNumeric, type Amount, type ColumnType } from './metric.ts'
import { QueryError, unknownName } from './query-error.ts'

/** The value of a column in one row, null for unknown. */
export type CellReader = (column: string) => Amount | string

/** @throws QueryError for columns that the rows do not have, or that cannot be compared so */
export function checkHaving(node: FilterNode, columns: readonly Column[]): void {
  if (node.kind === 'group') for (const part of node.parts) checkHaving(part, columns)
  if (node.kind === 'not') checkHaving(node.part, columns)
  if (node.kind === 'done' || node.kind === 'users') refuseDone('in having')
  if (node.kind === 'group' || node.kind === 'not') return
  const column = columns.find(({ key }) => key === node.name)
  if (column === undefined)
    throw unknownName('column in having', node.name, {
      allowed: columns.map(({ key }) => key),
      advice: 'having looks at rows; what is to hold of calls goes into where.',
    })
  if (node.kind === 'presence') return
  if (column.type === 'counts') throw new QueryError(`"${node.name}" is a list of numbers: having cannot compare it.`, { given: node.name })
  if (node.kind === 'number' && !isNumeric(column.type))
    throw new QueryError(`"${node.name}" is no number: having may compare it with =, !=, ~, !~ and ^=.`, { given: node.name })
  const operator = node.kind === 'text' ? node.operator : 'is'
  if (isNumeric(column.type) && node.kind === 'text') {
    const values = node.values.filter((value) => value.trim() === '' || Number.isNaN(Number(value)))
    if ((operator !== 'is' && operator !== 'is_not') || values.length > 0)
      throw new QueryError(`"${node.name}" is a number: compare it with >, >=, <, <=, = or !=.`, { given: node.name })
  }
}

/** The columns that a filter on rows looks at. */
export function havingColumns(node: FilterNode | undefined): string[] {
  return node === undefined ? [] : namesIn(node)
}

/** Whether a row passes; a comparison with an unknown number is false, `not` is the exact opposite. */
export function rowPasses(node: FilterNode, cell: CellReader, columns: readonly Column[]): boolean {
  switch (node.kind) {
    case 'group':
      return node.operator === 'and'
        ? node.parts.every((part) => rowPasses(part, cell, columns))
        : node.parts.some((part) => rowPasses(part, cell, columns))
    case 'not':
      return !rowPasses(node.part, cell, columns)
    case 'presence':
      return isKnown(cell(node.name)) === (node.operator === 'exists')
    case 'number':
      return compareNumber(node.operator, cell(node.name), boundOf(node.value, typeOf(node.name, columns)))
    case 'text':
      return textPasses(node, cell(node.name), typeOf(node.name, columns))
    case 'done':
    case 'users':
      return refuseDone('in having')
  }
}

function isKnown(value: Amount | string): boolean {
  return value !== null && value !== NONE
}

function typeOf(name: string, columns: readonly Column[]): ColumnType {
  return columns.find(({ key }) => key === name)?.type ?? 'string'
}

/** Money is compared in nano-USD. */
function boundOf(value: number, type: ColumnType): number {
  if (type !== 'usd') return value
  const nanoUsd = parseUsd(Math.abs(value)) ?? Math.abs(value) * 1e9
  return value < 0 ? -nanoUsd : nanoUsd
}

const comparisons: Readonly<Record<NumberOperator, (value: number | bigint, bound: number) => boolean>> = {
  gt: (value, bound) => value > bound,
  gte: (value, bound) => value >= bound,
  lt: (value, bound) => value < bound,
  lte: (value, bound) => value <= bound,
}

function compareNumber(operator: NumberOperator, value: Amount | string, bound: number): boolean {
  return value !== null && typeof value !== 'string' && comparisons[operator](value, bound)
}

function textPasses({ operator, values }: FilterNode & { kind: 'text' }, value: Amount | string, type: ColumnType): boolean {
  if (operator === 'is_not') return !textPasses({ kind: 'text', name: '', operator: 'is', values }, value, type)
  if (operator === 'not_contains') return !textPasses({ kind: 'text', name: '', operator: 'contains', values }, value, type)
  if (isNumeric(type)) {
    // Mixed comparisons of bigint and number are exact.
    return (
      value !== null &&
      values.some(
        (one) => compareNumber('gte', value, boundOf(Number(one), type)) && compareNumber('lte', value, boundOf(Number(one), type)),
      )
    )
  }
  const text = value === null ? NONE : type === 'bool' ? String(Boolean(value)) : String(value)
  if (operator === 'is') return values.includes(text)
  if (!isKnown(value)) return false
  return values.some((one) => (operator === 'contains' ? text.includes(one) : text.startsWith(one)))
}
