import type { Answer, Filter } from '@spanledger/analytics'

import { usageFailure } from './failure.ts'

/**
 * Why the totals of an answer fit an expression, or undefined where they do not. An unknown total fits nothing.
 * @throws CommandFailure for a name that is no total
 */
export function tripped(expression: Filter, answer: Pick<Answer, 'totals'>): string | undefined {
  const [operator, ...rest] = expression as readonly [string, ...unknown[]]
  if (operator === 'and' || operator === 'or') {
    const reasons = (rest as readonly Filter[]).map((part) => tripped(part, answer))
    const found = reasons.filter((reason) => reason !== undefined)
    const fits = operator === 'and' ? found.length === reasons.length : found.length > 0
    return fits ? found.join(' and ') : undefined
  }
  if (operator === 'not') return tripped(rest[0] as Filter, answer) === undefined ? 'the expression does not hold' : undefined
  const compare = Object.hasOwn(comparisons, operator) ? comparisons[operator] : undefined
  const [name, operand] = rest as [string, unknown]
  if (compare === undefined)
    throw usageFailure(`--fail-on compares totals with >, >=, < and <= only, joined by and, or, not; found ${JSON.stringify(operator)}.`)
  const total = Object.hasOwn(answer.totals, name) ? answer.totals[name] : undefined
  if (total === undefined) throw usageFailure(`--fail-on: unknown total ${JSON.stringify(name)}. ${allowedOf(Object.keys(answer.totals))}`)
  return total !== null && compare(Number(total), Number(operand)) ? `${name} is ${total}` : undefined
}

function allowedOf(totals: readonly string[]): string {
  return totals.length === 0
    ? 'This report has no totals: its rows cannot be added up. Choose rows with --having, and use --fail-empty.'
    : `Allowed: ${totals.join(', ')}.`
}

const comparisons: Readonly<Record<string, (total: number, bound: number) => boolean>> = {
  gt: (total, bound) => total > bound,
  gte: (total, bound) => total >= bound,
  lt: (total, bound) => total < bound,
  lte: (total, bound) => total <= bound,
}
