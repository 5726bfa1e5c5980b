import type { FilterNode } from '../../query/filter.ts'
import { QueryError, unknownName } from '../../query/query-error.ts'
import { parseWhereField } from '../../query/query.ts'

/** What a step of a funnel is taken by. */
export type FunnelStepWords =
  | { readonly kind: 'call'; readonly text: string; readonly where: FilterNode }
  | { readonly kind: 'goal' | 'milestone' | 'exposed' | 'plan'; readonly text: string; readonly name: string }
  | { readonly kind: 'once'; readonly text: string; readonly name: OnceName }

/** Steps that a user takes once, known from the ledger without a name of the app's. */
export const onceNames = [
  'signup',
  'first_request',
  'first_success',
  'first_multi_turn',
  'first_advanced_feature',
  'first_week_retention',
] as const
export type OnceName = (typeof onceNames)[number]

const MAX_STEPS = 20
const allowed = [...onceNames, 'goal:NAME', 'milestone:NAME', 'exposed:FEATURE', 'plan:NAME', "a filter such as 'feature = chat'"]

/**
 * Reads the steps of a funnel, separated by commas outside of quotes and parentheses: filters on calls (`feature = chat`), what the app
 * tells (`goal:solved`), and what is known of every user (`first_success`).
 * @throws QueryError for fewer than two, for what cannot be read, and for names that are none
 */
export function parseSteps(text: string | undefined): FunnelStepWords[] {
  if (text === undefined) {
    throw new QueryError(`The funnel report needs steps: --steps 'feature = chat, feature = analysis, goal:solved'. Each is ${either()}.`, {
      given: '',
      allowed,
    })
  }
  const parts = splitSteps(text)
  if (parts.length < 2 || parts.length > MAX_STEPS) {
    throw new QueryError(`A funnel has from 2 to ${MAX_STEPS} steps, separated by commas; ${JSON.stringify(text)} has ${parts.length}.`, {
      given: text,
    })
  }
  return parts.map(parseStep)
}

function either(): string {
  return `${allowed.slice(0, -1).join(', ')} or ${allowed.at(-1)}`
}

function parseStep(text: string, at: number): FunnelStepWords {
  const told = /^(goal|milestone|exposed|plan):\s*(.*)$/s.exec(text)
  if (told !== null) {
    const name = (told[2] ?? '').trim().replace(/^(["'])(.*)\1$/s, '$2')
    if (name === '') throw new QueryError(`Step ${at + 1} ${JSON.stringify(text)} names no ${told[1]}.`, { given: text })
    return { kind: told[1] as 'goal' | 'milestone' | 'exposed' | 'plan', text, name }
  }
  const once = onceNames.find((name) => name === text.toLowerCase())
  if (once !== undefined) return { kind: 'once', text, name: once }
  // One word alone is no filter but a name.
  if (/^[\w:-]*$/.test(text)) throw unknownName(`step ${at + 1}`, text, { allowed })
  try {
    const where = parseWhereField(text)
    if (where !== undefined) return { kind: 'call', text, where }
  } catch (cause) {
    throw new QueryError(`Cannot read step ${at + 1}: ${(cause as Error).message}`, { given: text, allowed })
  }
  throw unknownName(`step ${at + 1}`, text, { allowed })
}

/** The parts between commas that stand in no quotes and no parentheses. */
function splitSteps(text: string): string[] {
  const parts = ['']
  let quote: string | undefined
  let depth = 0
  let isEscaped = false
  for (const character of text) {
    const isEnd = character === ',' && quote === undefined && depth === 0
    if (isEnd) parts.push('')
    else parts.push((parts.pop() ?? '') + character)
    if (isEscaped) isEscaped = false
    else if (quote !== undefined && character === '\\') isEscaped = true
    else if (quote !== undefined) quote = character === quote ? undefined : quote
    else if (character === '"' || character === "'") quote = character
    else if (character === '(') depth++
    else if (character === ')') depth--
  }
  return parts.map((part) => part.trim()).filter((part, n) => part !== '' || n < parts.length - 1)
}
