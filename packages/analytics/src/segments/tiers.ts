import { parseUsd } from '@spanledger/conventions'

import type { FilterNode } from '../query/filter.ts'
import { QueryError, unknownName } from '../query/query-error.ts'
import { parseWhereField } from '../query/query.ts'
import { byNameWhereSeveral } from './by-name.ts'

/** A tier as apps and files define it; the first whose `where` fits a user's latest call is the user's. */
export interface TierWords {
  /** Which users are in it, as a filter; of one without it all that no other has, of several those whose plan is called so (`byNameWhereSeveral`). */
  readonly where?: string | undefined
  readonly monthly_request_limit?: number | 'unlimited' | undefined
  readonly monthly_token_limit?: number | 'unlimited' | undefined
  /** In USD. */
  readonly monthly_cost_limit?: number | 'unlimited' | undefined
  /** The day on which its months begin, 1 to 31; in a shorter month the last. 1 where it is left out. */
  readonly billing_anchor_day?: number | undefined
  /** Features its users may use; `["all"]` or nothing for every one. */
  readonly features?: readonly string[] | undefined
  readonly support_level?: string | undefined
}

/** A tier that was checked. Null is no limit. */
export interface Tier {
  readonly name: string
  readonly where: FilterNode | undefined
  readonly requests: number | null
  readonly tokens: number | null
  readonly costUsd: number | null
  /** The same in nano-USD, as costs are: 1.07 USD is no binary fraction. */
  readonly costNanoUsd: number | null
  /** The day of the calendar's month on which the tier's months begin. */
  readonly anchorDay: number
  /** Undefined for every one. */
  readonly features: ReadonlySet<string> | undefined
}

const MAX_TIERS = 100
/** What a tier may say of its limits. */
export const limitFields = ['monthly_request_limit', 'monthly_token_limit', 'monthly_cost_limit', 'billing_anchor_day']
const fields = ['where', ...limitFields, 'features', 'support_level']

/** @throws QueryError that names the tier, the field, and what it may hold */
export function parseTiers(data: unknown): readonly Tier[] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new QueryError('Tiers must be an object by name: {"free": {"where": "plan = free", "monthly_request_limit": 1000}}.', {
      given: typeof data,
    })
  }
  const named: [name: string, words: unknown][] = Object.entries(data)
  // Each is a question over all history.
  if (named.length > MAX_TIERS) throw new QueryError(`At most ${MAX_TIERS} tiers are allowed.`, { given: String(named.length) })
  return byNameWhereSeveral(
    named.map(([name, words]) => parseTier(name, words)),
    ({ where }) => where === undefined,
  )
}

/** Tiers as JSON text. @throws QueryError as above, and for what is no JSON */
export function parseTiersText(text: string): readonly Tier[] {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (cause) {
    throw new QueryError(`Tiers are no JSON (${(cause as Error).message}).`, { given: text.slice(0, 40) })
  }
  return parseTiers(data)
}

function parseTier(name: string, data: unknown): Tier {
  if (typeof data !== 'object' || data === null)
    throw new QueryError(`Tier "${name}" must be an object with limits.`, { given: typeof data })
  const words = data as Record<string, unknown>
  for (const field of Object.keys(words))
    if (!fields.includes(field)) throw unknownName(`field of tier "${name}"`, field, { allowed: fields })
  return { name, where: parseWhereField(words['where']), ...parseLimits(`tier "${name}"`, words) }
}

/** What the users of a tier may use. `what` is whose limits they are, for messages. @throws QueryError for what is no limit */
export function parseLimits(what: string, words: Readonly<Record<string, unknown>>): Omit<Tier, 'name' | 'where'> {
  const { features } = words
  if (features !== undefined && !(Array.isArray(features) && features.every((one) => typeof one === 'string'))) {
    throw new QueryError(`features of ${what} must be a list of names, or ["all"].`, { given: JSON.stringify(features) })
  }
  const costUsd = limit(what, 'monthly_cost_limit', words)
  const named = features as readonly string[] | undefined
  return {
    requests: limit(what, 'monthly_request_limit', words),
    tokens: limit(what, 'monthly_token_limit', words),
    costUsd,
    costNanoUsd: costUsd === null ? null : (parseUsd(costUsd) ?? costUsd * 1e9),
    anchorDay: anchorDay(what, words['billing_anchor_day']),
    features: named === undefined || named.includes('all') ? undefined : new Set(named),
  }
}

function limit(what: string, field: string, words: Readonly<Record<string, unknown>>): number | null {
  const value = words[field]
  if (value === undefined || value === null || value === 'unlimited') return null
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new QueryError(`${field} of ${what} must be a number from 0, or "unlimited".`, { given: JSON.stringify(value) })
  }
  return value
}

function anchorDay(what: string, value: unknown): number {
  if (value === undefined || value === null) return 1
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 31) {
    throw new QueryError(`billing_anchor_day of ${what} must be a day of the month, 1 to 31.`, { given: JSON.stringify(value) })
  }
  return value
}

/** What a user used in the running month of a tier's limits, and where that leads. */
export interface TierUse {
  readonly limit: number | null
  readonly used: number
  /** Null without a limit; never below 0. */
  readonly remaining: number | null
  /** used / limit; null without a limit, or of a limit of 0. */
  readonly share: number | null
  /** used, and the mean of the last seven whole days for each day that is left of the month after today. */
  readonly projected: number
  /** In how many days the limit is reached at that pace; null where it is not, or there is none. */
  readonly exhaustedInDays: number | null
}

/** `lastSevenDays` is what was used on them, `daysLeft` the days of the month after today. */
export function useOfLimit({
  limit: most,
  used,
  lastSevenDays,
  daysLeft,
}: {
  readonly limit: number | null
  readonly used: number
  readonly lastSevenDays: number
  readonly daysLeft: number
}): TierUse {
  const pace = lastSevenDays / 7
  const remaining = most === null ? null : Math.max(0, most - used)
  return {
    limit: most,
    used,
    remaining,
    share: most === null || most === 0 ? null : used / most,
    projected: used + pace * daysLeft,
    exhaustedInDays: remaining === null ? null : remaining === 0 ? 0 : pace === 0 ? null : Math.ceil(remaining / pace),
  }
}
