import { segments, shownSegments } from './automatic-segments.ts'
import { zoneOf } from '../query/buckets.ts'
import { NONE } from '../query/dimensions.ts'
import type { Filter, FilterNode } from '../query/filter.ts'
import { checkHaving } from '../query/having.ts'
import { metricNames, metricTable } from '../query/metrics.ts'
import { parseRules, ruleNames, usualRules, type SegmentRules } from './segment-rules.ts'
import { byNameWhereSeveral } from './by-name.ts'
import { limitFields, parseLimits, type Tier, type TierWords } from './tiers.ts'
import { startOfLast } from '../query/period.ts'
import { QueryError, unknownName } from '../query/query-error.ts'
import { parseWhereField } from '../query/query.ts'

/** A segment as apps and files define it. Limits may stand in `limits` or beside the other fields. */
export interface SegmentWords extends Omit<TierWords, 'where'> {
  /** Who is in it, as a filter over the user's latest values; without one, everybody whom `having` lets in. */
  readonly where?: Filter | string | undefined
  /** What `where` looks at: the latest value the user has of each name (`latest`), or single calls of the window (`any`). */
  readonly match?: SegmentMatch | undefined
  /** A filter on metrics of the user: `requests >= 100 and cost_usd > 5`. */
  readonly having?: Filter | string | undefined
  /** What these metrics are over: `30d`, `12w`, `3mo` up to `as_of`, or `all`; 30 days where nothing is said. */
  readonly last?: string | undefined
  readonly limits?: Omit<TierWords, 'where' | 'features' | 'support_level'> | undefined
}

/** Segments by name, in the order in which they are tried, or these with a mode, and with what the automatic ones are decided by. */
export type SegmentsWords =
  | Readonly<Record<string, SegmentWords>>
  | (Partial<SegmentRules> & {
      readonly mode?: SegmentMode | undefined
      readonly segments?: Readonly<Record<string, SegmentWords>> | undefined
    })

/** `exclusive`: each user has one segment, the first that fits, else the automatic one. `multi`: all that fit, and the automatic one. */
export const segmentModes = ['exclusive', 'multi'] as const
export type SegmentMode = (typeof segmentModes)[number]

const matches = ['latest', 'any'] as const
export type SegmentMatch = (typeof matches)[number]

/** A segment that was checked. */
export interface CustomSegment {
  readonly name: string
  readonly where: FilterNode | undefined
  readonly match: SegmentMatch
  readonly having: FilterNode | undefined
  /** Undefined for all history. */
  readonly last: string | undefined
  readonly supportLevel: string | undefined
  /** What its users may use in a month; undefined where nothing was said. */
  readonly tier: Tier | undefined
}

/** The segments of an app, in the order in which they are tried. */
export interface Segmentation {
  readonly mode: SegmentMode
  readonly custom: readonly CustomSegment[]
  /** What the automatic ones are decided by. */
  readonly rules: SegmentRules
}

/** Without segments of one's own there are the automatic ones. */
export const automaticOnly: Segmentation = { mode: 'exclusive', custom: [], rules: usualRules }

const fields = ['where', 'match', 'having', 'last', 'limits', ...limitFields, 'features', 'support_level']
const MAX_SEGMENTS = 100
const DEFAULT_LAST = '30d'

/**
 * Segments by name, `{"vip": {"where": "plan = pro"}}`, or these with a mode: `{"mode": "multi", "segments": {…}}`. Beside either may
 * stand what automatic segments are decided by: `{"power": "cost", …}`.
 * @throws QueryError that names the segment, the field, and what it may hold
 */
export function parseSegments(data: unknown): Segmentation {
  if (!isObject(data)) {
    throw new QueryError('Segments must be an object by name: {"vip": {"where": "plan = pro", "having": "requests >= 100"}}.', {
      given: typeof data,
    })
  }
  const others = Object.fromEntries(Object.entries(data).filter(([name]) => !ruleNames.some((rule) => rule === name)))
  const isWrapped =
    Object.keys(others).every((key) => key === 'segments' || key === 'mode') &&
    (others['segments'] === undefined ? !isObject(others['mode']) : isObject(others['segments']))
  const mode = isWrapped ? (others['mode'] ?? 'exclusive') : 'exclusive'
  const known = segmentModes.find((one) => one === mode)
  if (known === undefined) throw unknownName('mode of segments', wordOf(mode), { allowed: segmentModes })
  const entries = Object.entries(isWrapped ? ((others['segments'] ?? {}) as Record<string, unknown>) : others)
  if (entries.length > MAX_SEGMENTS)
    throw new QueryError(`At most ${MAX_SEGMENTS} segments may be defined.`, { given: String(entries.length) })
  const parsed = entries.map(([name, words]) => parseSegment(name, words))
  const custom = byNameWhereSeveral(parsed, ({ where, having }) => where === undefined && having === undefined)
  return { mode: known, custom, rules: parseRules(data) }
}

/** What was given where a word was wanted. */
function wordOf(data: unknown): string {
  return typeof data === 'string' ? data : JSON.stringify(data)
}

function isObject(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
}

function parseSegment(name: string, data: unknown): CustomSegment {
  checkName(name)
  const what = `segment ${JSON.stringify(name)}`
  if (!isObject(data)) throw new QueryError(`The ${what} must be an object such as {"where": "plan = pro"}.`, { given: typeof data })
  for (const field of Object.keys(data)) if (!fields.includes(field)) throw unknownName(`field of ${what}`, field, { allowed: fields })
  const match = matches.find((one) => one === (data['match'] ?? 'latest'))
  if (match === undefined) throw unknownName(`match of ${what}`, wordOf(data['match']), { allowed: matches })
  const where = within(what, () => parseWhereField(data['where']))
  const having = within(what, () => parseHaving(data['having']))
  if (where === undefined && match === 'any')
    throw new QueryError(`The ${what} has "match": "any" without a "where": it says which calls are meant.`, { given: 'any' })
  return { name, where, match, having, last: within(what, () => parseLast(data['last'])), ...parseRights(name, what, data) }
}

function checkName(name: string): void {
  if (name.trim() === '' || name === NONE || name.includes(','))
    throw new QueryError(`${JSON.stringify(name)} cannot be the name of a segment. Use any text without commas, but for "${NONE}".`, {
      given: name,
    })
  if (segments.some((one) => one === name))
    throw new QueryError(`${JSON.stringify(name)} is an automatic segment (${shownSegments.join(', ')}). Give yours another name.`, {
      given: name,
    })
}

/** What is wrong inside a segment is said with its name. */
function within<Result>(what: string, parse: () => Result): Result {
  try {
    return parse()
  } catch (cause) {
    if (!(cause instanceof QueryError)) throw cause
    throw new QueryError(`In ${what}: ${cause.message}`, { given: cause.given, allowed: cause.allowed })
  }
}

function parseHaving(data: unknown): FilterNode | undefined {
  const having = parseWhereField(data, 'having')
  const columns = metricNames.map((key) => ({ key, type: metricTable[key].type, label: metricTable[key].label }))
  if (having !== undefined) checkHaving(having, columns)
  return having
}

function parseLast(data: unknown): string | undefined {
  if (data === 'all') return undefined
  const last = data ?? DEFAULT_LAST
  if (typeof last !== 'string') throw new QueryError('last must be a text such as 30d, 12w, 3mo or all.', { given: JSON.stringify(last) })
  startOfLast(last, 0, zoneOf('UTC'))
  return last
}

function parseRights(name: string, what: string, data: Readonly<Record<string, unknown>>): Pick<CustomSegment, 'supportLevel' | 'tier'> {
  const { limits = {}, support_level: supportLevel } = data
  if (!isObject(limits)) throw new QueryError(`limits of ${what} must be an object of ${limitFields.join(', ')}.`, { given: typeof limits })
  for (const field of Object.keys(limits))
    if (!limitFields.includes(field)) throw unknownName(`limit of ${what}`, field, { allowed: limitFields })
  if (supportLevel !== undefined && typeof supportLevel !== 'string')
    throw new QueryError(`support_level of ${what} must be a text.`, { given: JSON.stringify(supportLevel) })
  const said = [...limitFields, 'features'].some((field) => data[field] !== undefined || limits[field] !== undefined)
  const tier = said ? { name, where: undefined, ...parseLimits(what, { ...data, ...limits }) } : undefined
  return { supportLevel, tier }
}
