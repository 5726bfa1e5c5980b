import type { Store, Zone } from '@spanledger/store'

import type { AnswerMeta } from '../query/answer.ts'
import { zoneOf } from '../query/buckets.ts'
import { readCatalog, type Catalog } from '../ledger/catalog.ts'
import { automaticOnly, type Segmentation } from '../segments/custom-segments.ts'
import { resolveDimension, unknownProperty, type Dimension } from '../query/dimensions.ts'
import { namesIn, type FilterNode } from '../query/filter.ts'
import { readListParts, type Attribution, type ListPart } from '../query/list-values.ts'
import type { Group } from '../sums/group.ts'
import { noMemberships, type Memberships } from '../segments/memberships.ts'
import type { MetricName } from '../query/metrics.ts'
import type { ModelTiers } from '../query/model-tiers.ts'
import { resolvePeriod, type Period, type PeriodWords } from '../query/period.ts'
import { QueryError } from '../query/query-error.ts'
import { readAutomatic } from './read-automatic.ts'
import { readGroups } from './read-groups.ts'
import { readMemberships } from './read-memberships.ts'
import { readCallValues } from './read-user-values.ts'
import { lookUpDone } from './users-who-did.ts'
import type { UserSegments } from '../segments/read-segments.ts'
import { ruleWarnings } from '../segments/segment-rules.ts'
import { readUserDays, type DayUsers } from '../segments/user-days.ts'
import { firstStartsOf, readFirstSeen } from '../ledger/seen-users.ts'
import { namedDimensions, scopeOf, type ScopeWords } from '../plan/scope-of.ts'
import type { LatestValues, Scope } from '../plan/scope.ts'
import { checkSteps, endOfLastBucket, type WeekStart } from '../query/time-bucket.ts'
import type { TraitMode } from '../query/traits.ts'

export { scopeOf }

/** When and where a question is asked. */
export interface Clock {
  readonly asOfMs: number
  /** IANA name of the zone of local days. */
  readonly timeZone: string
  /** The app's own segments; undefined for none. */
  readonly segmentation?: Segmentation | undefined
  /** Which models are fast and which are good, where the app says so. */
  readonly modelTiers?: ModelTiers | undefined
}

/** What all readings of one question share. */
export interface Frame {
  readonly store: Store
  readonly clock: Clock
  readonly zone: Zone
  readonly catalog: Catalog
  /** As asked for. */
  readonly period: Period
  readonly dimensions: readonly Dimension[]
  readonly where: FilterNode | undefined
  /** Who is in which segment at `as_of`; nobody where the question does not name segments. */
  readonly memberships: Memberships
  /** What each user had last by `as_of` of the properties that the question names so. */
  readonly latest: LatestValues
  readonly attribution: Attribution | undefined
  readonly traits: TraitMode
  readonly lists: Scope['lists']
  /** The automatic segments at `as_of`; read once, when first asked for. */
  readonly segments: () => Promise<UserSegments>
  /** The start of each user's first call ever; read once. */
  readonly firstSeen: () => Promise<ReadonlyMap<number, number>>
  /** Who called on each day of a period, whatever the filter; each period is read once. */
  readonly userDays: (period: Period) => Promise<readonly DayUsers[]>
  /** The segments of all users, with the app's own. */
  readonly readMemberships: () => Promise<Memberships>
}

/** What a frame is made from. */
export interface FrameWords extends PeriodWords {
  readonly by: readonly string[]
  readonly weekStart?: WeekStart | undefined
  readonly attribution?: Attribution | undefined
  readonly traits?: TraitMode | undefined
  readonly where: FilterNode | undefined
  /** Whether all history begins with what was said before the first call, if anything was. */
  readonly looksAtEvents?: boolean | undefined
}

export async function openFrame(store: Store, clock: Clock, words: FrameWords): Promise<Frame> {
  const zone = zoneOf(clock.timeZone)
  const catalog = await readCatalog(store)
  const dimensions = words.by.map((name) => {
    const dimension = resolveDimension(name, catalog)
    const isOfSundays = words.weekStart === 'sunday' && dimension.kind === 'time' && dimension.step === 'week'
    return isOfSundays ? ({ kind: 'time', step: 'sunday_week' } as const) : dimension
  })
  checkDimensions(dimensions, words.by)
  const firstMs = await beginOfHistory({ store, clock, zone }, words.looksAtEvents === true)
  const named = [
    ...dimensions.map(({ kind }) => kind),
    ...(words.where === undefined ? [] : namesIn(words.where)).map((name) => name.toLowerCase()),
  ]
  const period = resolvePeriod(words, { zone, asOfMs: clock.asOfMs, firstMs })
  for (const dimension of dimensions) if (dimension.kind === 'time') checkSteps(dimension.step, period)
  const frame = {
    store,
    clock,
    zone,
    catalog,
    period,
    dimensions,
    where: words.where,
    attribution: words.attribution,
    traits: words.traits ?? ('as-of' as const),
    latest: new Map() as LatestValues,
    lists: words.attribution === undefined ? new Map<string, never>() : await readLists(store, { catalog, dimensions, where: words.where }),
  }
  const segmentation = clock.segmentation ?? automaticOnly
  const nobody = noMemberships(segmentation)
  const latest = await readLatest({ ...frame, memberships: nobody })
  if (!nobody.exclusive && words.attribution === 'split' && dimensions.some(({ kind }) => kind === 'segment'))
    throw new QueryError('Users are in several segments, which cannot share a call: leave out attribution split, or segment.', {
      given: 'split',
    })
  const segments = once(() => readAutomatic({ ...frame, memberships: nobody }, { asOfMs: clock.asOfMs, rules: segmentation.rules }))
  const firstSeen = once(() => readFirstSeen(store))
  const daysOf = new Map<string, Promise<readonly DayUsers[]>>()
  const userDays = (asked: Period): Promise<readonly DayUsers[]> => {
    const name = `${asked.fromMs} ${asked.toMs}`
    const days = daysOf.get(name) ?? readUserDays(store, asked)
    daysOf.set(name, days)
    return days
  }
  const everybody = once(async () =>
    readMemberships(
      { ...frame, memberships: nobody },
      { userSegments: await segments(), firstStarts: firstStartsOf(await firstSeen()), segmentation },
    ),
  )
  const memberships = named.includes('segment') ? await everybody() : nobody
  const whole = { ...frame, latest, memberships, segments, firstSeen, userDays, readMemberships: everybody }
  return { ...whole, where: await lookUpDone(whole, words.where) }
}

/** The day of the first call, or of what was said before it where a question looks at that too. */
async function beginOfHistory({ store, clock, zone }: Pick<Frame, 'store' | 'clock' | 'zone'>, looksAtEvents: boolean): Promise<number> {
  const firsts = await store.all<{ ms: number }>(
    `SELECT * FROM (SELECT start_ms AS ms FROM llm_calls WHERE counted = 1 ORDER BY start_ms LIMIT 1)
     ${looksAtEvents ? 'UNION ALL SELECT * FROM (SELECT start_ms AS ms FROM events ORDER BY start_ms LIMIT 1)' : ''}`,
  )
  return firsts.reduce((least, { ms }) => Math.min(least, zone.startOfDay(zone.day(ms))), clock.asOfMs)
}

function once<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | undefined
  return () => (running ??= work())
}

/** Of the properties that a question names as `latest:KEY`, the value that each user had by then. */
async function readLatest(words: ScopeWords): Promise<LatestValues> {
  const { clock, catalog, dimensions, where } = words
  const keys = [...dimensions, ...namedDimensions(where, catalog)].flatMap((one) => (one.kind === 'latest' ? [one.key] : []))
  const latest = new Map<string, ReadonlyMap<number, string>>()
  for (const key of new Set(keys)) {
    latest.set(key, new Map(await readCallValues(words, key, { which: 'latest', beforeMs: clock.asOfMs })))
  }
  return latest
}

async function readLists(
  store: Store,
  { catalog, dimensions, where }: Pick<Frame, 'catalog' | 'dimensions' | 'where'>,
): Promise<Scope['lists']> {
  const lists = new Map<string, readonly ListPart[]>()
  for (const dimension of [...dimensions, ...namedDimensions(where, catalog)]) {
    if (dimension.kind !== 'property' || lists.has(dimension.key)) continue
    lists.set(dimension.key, await readListParts(store, dimension.key, catalog.keys.get(dimension.key)))
  }
  return lists
}

function checkDimensions(dimensions: readonly Dimension[], given: readonly string[]): void {
  if (dimensions.filter(({ kind }) => kind === 'time').length > 1) {
    throw new QueryError('A question may be split by one step of time only.', { given: given.join(',') })
  }
  const seen = new Set<string>()
  for (const [n, dimension] of dimensions.entries()) {
    const name = JSON.stringify(dimension)
    if (seen.has(name)) throw new QueryError(`${JSON.stringify(given[n])} is named twice in by.`, { given: given[n] ?? '' })
    seen.add(name)
  }
}

const totalMetrics: readonly MetricName[] = [
  'requests',
  'users',
  'unpriced_requests',
  'estimated_requests',
  'missing_usage_requests',
  'sample_requests',
]

/** All calls of a scope as one group, with what the meta data needs; `known` is what need not be read again. */
export async function readTotals(
  frame: Frame,
  scope: Scope,
  metrics: readonly MetricName[],
  known: { users?: number } = {},
): Promise<Group> {
  const wanted = [...new Set([...metrics, ...totalMetrics])].filter((name) => name !== 'users' || known.users === undefined)
  const [total] = await readGroups(frame.store, scope, { dimensions: [], metrics: wanted })
  return { sums: new Map(), costNanoUsd: 0n, ...total?.group, ...known }
}

/** What a report knows of its answer. */
interface MetaParts {
  readonly total: Group
  readonly rows: number
  readonly next: string | null
  /** How many rows are told as one; undefined where that was not asked for. */
  readonly suppressed?: number | undefined
  readonly warnings: readonly string[]
}

/** The meta data of an answer. */
export async function metaOf(frame: Frame, scope: Scope, { total, rows, next, suppressed, warnings }: MetaParts): Promise<AnswerMeta> {
  const { store, clock, period, zone } = frame
  const requests = total.sums.get('requests') ?? 0
  const [anonymous] = await readGroups(
    store,
    { ...scope, userIds: scope.userIds?.filter((id) => id === 0) ?? [0] },
    { dimensions: [], metrics: ['requests'] },
  )
  const time = frame.dimensions.find(({ kind }) => kind === 'time')
  const endMs = time?.kind === 'time' ? endOfLastBucket(time.step, period.toMs, zone) : period.toMs
  return {
    from: new Date(period.fromMs).toISOString(),
    to: new Date(period.toMs).toISOString(),
    tz: zone.name,
    as_of: new Date(clock.asOfMs).toISOString(),
    complete: endMs <= clock.asOfMs,
    requests,
    users: total.users ?? 0,
    anonymous_share: requests === 0 ? null : (anonymous?.group.sums.get('requests') ?? 0) / requests,
    unpriced_requests: total.sums.get('unpriced_requests') ?? 0,
    rows,
    next,
    ...(suppressed === undefined ? {} : { suppressed_rows: suppressed }),
    warnings: [...(await warningsOf(frame, total)), ...warnings],
  }
}

/** What a reader of segments should know of what decides them. */
export function rulesTold({ clock }: Pick<Frame, 'clock'>): string[] {
  return ruleWarnings((clock.segmentation ?? automaticOnly).rules)
}

/** What a reader of the numbers should know. */
async function warningsOf(frame: Frame, total: Group): Promise<string[]> {
  const requests = total.sums.get('requests') ?? 0
  const warnings: string[] = []
  const say = (count: number, words: string): void => {
    if (count > 0) warnings.push(`${count} of ${requests} requests ${words}`)
  }
  say(total.sums.get('samples') ?? 0, 'are sample data')
  const silent = total.sums.get('missing_usage_requests') ?? 0
  say(silent, 'reported no tokens (failed calls mostly); their cost is unknown and left out')
  // What reported nothing has no price either; what is left has tokens that nobody could price.
  say((total.sums.get('unpriced_requests') ?? 0) - silent, 'have tokens but no price; costs leave them out (spanledger doctor says which)')
  say(total.sums.get('estimated_requests') ?? 0, 'have partial or estimated token counts')
  for (const dimension of frame.dimensions) {
    const unknown = unknownProperty(dimension, frame.catalog)
    if (unknown !== undefined) warnings.push(unknown)
    if (dimension.kind === 'segment' && !frame.memberships.exclusive)
      warnings.push('users are in the row of each of their segments: rows come to more than the totals')
    if (dimension.kind === 'property') warnings.push(...(await listWarnings(frame, dimension.key)))
  }
  const named = frame.where === undefined ? [] : namesIn(frame.where)
  for (const name of named) warnings.push(...unknownInFilter(name, frame.catalog))
  if (frame.dimensions.some(({ kind }) => kind === 'segment') || named.some((name) => name.toLowerCase() === 'segment'))
    warnings.push(...rulesTold(frame))
  warnings.push(...(await experimentWarnings(frame)))
  const [dropped] = await frame.store.all<{ count: number }>("SELECT count FROM counters WHERE name = 'attributes_dropped'")
  if (dropped !== undefined)
    warnings.push(`${dropped.count} spans of this ledger came with attributes dropped: user, properties or tokens may be missing`)
  const [future] = await frame.store.all<{ later: number }>(
    'SELECT EXISTS (SELECT 1 FROM llm_calls WHERE start_ms >= ? AND start_ms < ?) AS later',
    frame.clock.asOfMs,
    Math.max(frame.period.toMs, frame.clock.asOfMs + 1),
  )
  if (future?.later === 1) warnings.push('calls that start after as_of are left out')
  return warnings
}

/** Experiments that nobody was exposed to. */
async function experimentWarnings({ store, catalog, dimensions, where }: Frame): Promise<string[]> {
  const named = [...dimensions, ...namedDimensions(where, catalog)].flatMap((one) => (one.kind === 'experiment' ? [one.key] : []))
  const warnings: string[] = []
  for (const name of new Set(named)) {
    const [row] = await store.all<{ known: number }>(
      "SELECT EXISTS (SELECT 1 FROM event_subjects WHERE kind = 'exposed' AND name = ?) AS known",
      name,
    )
    if (row?.known !== 1)
      warnings.push(`nobody was exposed to experiment ${JSON.stringify(name)}; spanledger report experiments lists those there are`)
  }
  return warnings
}

/** What is to be known of rows whose calls may stand in several of them. */
async function listWarnings({ store, catalog, attribution, lists }: Frame, key: string): Promise<string[]> {
  const name = JSON.stringify(key)
  if (attribution === undefined) {
    const found = catalog.keys.get(key)?.place === 'overflow' ? [] : await readListParts(store, key, catalog.keys.get(key))
    return found.length === 0 ? [] : [`some values of ${name} are lists; attribution full or split counts calls under each of their values`]
  }
  if ((lists.get(key) ?? []).length === 0) return []
  return attribution === 'full'
    ? [`calls with several values of ${name} are in the row of each: rows come to more than the totals, which have each call once`]
    : [
        `cost and tokens of calls with several values of ${name} are shared among them; requests, users and times are of every call with the value`,
      ]
}

function unknownInFilter(name: string, catalog: Catalog): string[] {
  if (!/^(?:property|trait):/i.test(name.trim())) return []
  const unknown = unknownProperty(resolveDimension(name, catalog), catalog)
  return unknown === undefined ? [] : [unknown]
}
