import { isNumeric, type Answer, type Cell, type Column, type Filter, type Row } from '@spanledger/analytics'

import { usageFailure } from './failure.ts'

/**
 * Why an answer fits an expression, or undefined where it does not. The totals are looked at where they have all that the
 * expression names; else each listed row, of which one has to fit by itself. What is unknown fits nothing.
 * @throws CommandFailure for a name that is no number of the answer
 */
export function tripped(expression: Filter, { totals, rows, columns }: Pick<Answer, 'totals' | 'rows' | 'columns'>): string | undefined {
  const names = namesOf(expression)
  if (names.every((name) => Object.hasOwn(totals, name))) return fits(expression, totals)
  const numbers = columns.filter(({ type }) => isNumeric(type)).map(({ key }) => key)
  const unknown = names.find((name) => !numbers.includes(name))
  if (unknown !== undefined)
    throw usageFailure(`--fail-on: unknown number ${JSON.stringify(unknown)}. ${allowedOf(Object.keys(totals), numbers)}`)
  for (const row of rows) {
    const why = fits(expression, row)
    if (why !== undefined) return `${why}${nameOf(row, columns)}`
  }
  return undefined
}

function fits(expression: Filter, values: Row): string | undefined {
  const [operator, ...rest] = expression as readonly [string, ...unknown[]]
  if (operator === 'and' || operator === 'or') {
    const reasons = (rest as readonly Filter[]).map((part) => fits(part, values))
    const found = reasons.filter((reason) => reason !== undefined)
    return (operator === 'and' ? found.length === reasons.length : found.length > 0) ? found.join(' and ') : undefined
  }
  if (operator === 'not') {
    const isKnown = namesOf(expression).every((name) => (values[name] ?? null) !== null)
    return isKnown && fits(rest[0] as Filter, values) === undefined ? 'the expression does not hold' : undefined
  }
  const [name, operand] = rest as [string, unknown]
  const value: Cell = values[name] ?? null
  return value !== null && comparisons[operator]?.(Number(value), Number(operand)) === true ? `${name} is ${String(value)}` : undefined
}

/** @throws CommandFailure for an operator that compares no numbers */
function namesOf(expression: Filter): string[] {
  const [operator, ...rest] = expression as readonly [string, ...unknown[]]
  if (operator === 'and' || operator === 'or' || operator === 'not') return (rest as readonly Filter[]).flatMap(namesOf)
  if (!Object.hasOwn(comparisons, operator))
    throw usageFailure(`--fail-on compares numbers with >, >=, < and <= only, joined by and, or, not; found ${JSON.stringify(operator)}.`)
  return [String(rest[0])]
}

/** The texts that tell a row from others. */
function nameOf(row: Row, columns: readonly Column[]): string {
  const texts = columns.filter(({ type }) => type === 'string' || type === 'date').flatMap(({ key }) => row[key] ?? [])
  return texts.length === 0 ? '' : ` where ${columns.find(({ type }) => type === 'string' || type === 'date')?.key} is ${String(texts[0])}`
}

function allowedOf(totals: readonly string[], numbers: readonly string[]): string {
  const ofRows = numbers.filter((name) => !totals.includes(name))
  const parts = [
    ...(totals.length === 0 ? [] : [`totals: ${totals.join(', ')}`]),
    ...(ofRows.length === 0 ? [] : [`of any listed row: ${ofRows.join(', ')}`]),
  ]
  return `Allowed: ${parts.join('; ')}.`
}

const comparisons: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  gt: (value, bound) => value > bound,
  gte: (value, bound) => value >= bound,
  lt: (value, bound) => value < bound,
  lte: (value, bound) => value <= bound,
}
