import type { Segment } from '../segments/automatic-segments.ts'
import { FewByUser } from '../segments/by-user.ts'
import { compileBase } from '../plan/compile.ts'
import { filterSql, numberFields } from '../plan/compile-filter.ts'
import type { CustomSegment, Segmentation } from '../segments/custom-segments.ts'
import type { Dimension } from '../query/dimensions.ts'
import { namesIn, type FilterNode } from '../query/filter.ts'
import { join, raw, sql, type Fragment } from '../ledger/fragment.ts'
import type { Group } from '../sums/group.ts'
import { rowPasses } from '../query/having.ts'
import { distinctLeaves, leafKey, normalLeaves, wherePasses, type Leaf } from './latest-values.ts'
import { automaticMemberships } from '../segments/memberships.ts'
import { isMetric, metricTable, type MetricName } from '../query/metrics.ts'
import { resolvePeriod, type Period } from '../query/period.ts'
import { metricColumn } from '../query/query-columns.ts'
import { QueryError } from '../query/query-error.ts'
import { readGroups } from './read-groups.ts'
import type { Scope } from '../plan/scope.ts'
import { scopeOf, type ScopeWords } from '../plan/scope-of.ts'
import { readColumns, readRows } from '../ledger/snapshot.ts'

/** An instant, and the users that had made a call by then, with their automatic segments. */
export interface Instant {
  readonly asOfMs: number
  readonly automatic: FewByUser<Segment>
}

/** Names of segments by user id; users whom none fits are left out. */
export type Fits = ReadonlyMap<number, readonly string[]>

/** More tests of calls than this would be more columns than one reading should have. */
const MAX_LEAVES = 200

/**
 * Which segments of an app's own fit each user at some instants, in ascending order. The latest values of users come from one
 * reading of the calls for all instants; metrics are read an instant at a time, from rollups where these know them.
 * @throws QueryError for names that the ledger does not know
 */
export async function readFits(asked: ScopeWords, { custom }: Segmentation, instants: readonly Instant[]): Promise<readonly Fits[]> {
  const [first] = await asked.store.all<{ ms: number | null }>('SELECT min(start_ms) AS ms FROM llm_calls')
  const words: Words = { ...asked, firstMs: first?.ms ?? 0 }
  const rules = custom.map((segment) => ({ segment, where: segment.where === undefined ? undefined : normalLeaves(segment.where) }))
  const leaves = distinctLeaves(rules.flatMap(({ segment, where }) => (where === undefined || segment.match === 'any' ? [] : [where])))
  if (leaves.length > MAX_LEAVES)
    throw new QueryError(`The segments test ${leaves.length} different values; at most ${MAX_LEAVES} are allowed.`, {
      given: String(leaves.length),
    })
  const found: Fits[] = []
  const last = instants.at(-1)
  if (last === undefined) return found
  const ofCalls = await leavesOfCalls(words, leaves, last)
  const latest = await readLatest(words, ofCalls, instants)
  for (const [n, instant] of instants.entries()) {
    latest.advanceTo(n)
    const ofUsers = await readUserLeaves(words, { leaves: leaves.filter((leaf) => !ofCalls.includes(leaf)), instant })
    const leafPasses = (leaf: Leaf, userId: number): boolean => ofUsers.get(leafKey(leaf))?.has(userId) ?? latest.passes(leaf, userId)
    const groupsOf = groupReader(words, instant)
    const tests: ((userId: number) => boolean)[] = []
    for (const { segment, where } of rules) {
      const having = await havingTest(segment, groupsOf)
      const isUsers = where === undefined || segment.match === 'any'
      tests.push((userId) => (isUsers || wherePasses(where, (leaf) => leafPasses(leaf, userId))) && having(userId))
    }
    found.push(fitsOf(instant, { custom, tests }))
  }
  return found
}

/** With the start of the ledger's first call: a zone takes a while to say its offsets since 1970. */
type Words = ScopeWords & { readonly firstMs: number }

function allUpTo({ firstMs }: Words, { asOfMs }: Instant): Period {
  return { fromMs: Math.min(firstMs, asOfMs), toMs: asOfMs }
}

function fitsOf(
  { automatic }: Instant,
  { custom, tests }: { custom: readonly CustomSegment[]; tests: readonly ((userId: number) => boolean)[] },
): Fits {
  const fits = new Map<number, readonly string[]>()
  for (const [userId] of automatic) {
    const names = custom.flatMap(({ name }, n) => (tests[n]?.(userId) === true ? [name] : []))
    if (names.length > 0) fits.set(userId, names)
  }
  return fits
}

/** What a reading at an instant is about: all calls up to then, whatever a question is restricted to. */
function wordsAt(words: Words, { asOfMs, automatic }: Instant, where: FilterNode | undefined): ScopeWords {
  return {
    ...words,
    clock: { asOfMs },
    dimensions: [],
    where,
    memberships: automaticMemberships(automatic),
    attribution: undefined,
    lists: new Map(),
    traits: 'current',
  }
}

/** Those tests that only calls can answer; the others look at who users are and what holds for them. */
async function leavesOfCalls(words: Words, leaves: readonly Leaf[], instant: Instant): Promise<readonly Leaf[]> {
  const ofCalls: Leaf[] = []
  for (const leaf of leaves) {
    const scope = await scopeOf(wordsAt(words, instant, leaf), allUpTo(words, instant))
    if (filterSql(leaf, 'users', scope) === undefined) ofCalls.push(leaf)
  }
  return ofCalls
}

/** The users of whom each test holds at an instant, by the test's key. */
async function readUserLeaves(
  words: Words,
  { leaves, instant }: { leaves: readonly Leaf[]; instant: Instant },
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const passing = new Map<string, ReadonlySet<number>>()
  for (const leaf of leaves) {
    const scope = await scopeOf(wordsAt(words, instant, leaf), allUpTo(words, instant))
    const where = filterSql(leaf, 'users', scope) ?? raw('0')
    const statement = sql`SELECT json_group_array(r.user_id) AS rows FROM users AS r WHERE r.user_id <> 0 AND ${where}`
    passing.set(leafKey(leaf), new Set(await readRows<number>(words.store, statement)))
  }
  return passing
}

/** Whether tests hold of the latest value that a user has, as of one instant after the other. */
interface Latest {
  advanceTo(instant: number): void
  passes(leaf: Leaf, userId: number): boolean
}

/** `max(2 * start + holds)` is odd where the latest call with a value passes; of several within one millisecond, where any does. */
async function readLatest(words: Words, leaves: readonly Leaf[], instants: readonly Instant[]): Promise<Latest> {
  const state = new Map(leaves.map((leaf) => [leafKey(leaf), new Map<number, number>()]))
  const rows = leaves.length === 0 ? [] : await readColumns<number | null>(words.store, await compileLatest(words, leaves, instants))
  const [userIds = [], pieces = [], ...columns] = rows
  const inPiece = new Map<number, number[]>()
  for (const [row, piece] of pieces.entries()) {
    const listed = inPiece.get(Number(piece))
    if (listed === undefined) inPiece.set(Number(piece), [row])
    else listed.push(row)
  }
  return {
    advanceTo: (piece) => {
      for (const row of inPiece.get(piece) ?? []) {
        const userId = Number(userIds[row])
        for (const [n, leaf] of leaves.entries()) {
          const value = columns[n]?.[row] ?? null
          if (value !== null) state.get(leafKey(leaf))?.set(userId, value)
        }
      }
    },
    passes: (leaf, userId) => (state.get(leafKey(leaf))?.get(userId) ?? 0) % 2 === 1,
  }
}

async function compileLatest(words: Words, leaves: readonly Leaf[], instants: readonly Instant[]): Promise<Fragment> {
  const last = instants.at(-1) ?? { asOfMs: 0, automatic: new FewByUser<Segment>([], new Uint8Array()) }
  const scope = await scopeOf(wordsAt(words, last, undefined), allUpTo(words, last))
  const base = compileBase({ source: 'calls', dimensions: [], sums: [], needs: [] }, scope)
  // The calls know every filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const columns = leaves.map(
    (leaf, n) => sql`max(iif(${hasValue(leaf, scope)}, c.start_ms * 2 + (${holds(leaf, scope)}), NULL)) AS ${raw(`l${n}`)}`,
  )
  const piece = pieceSql(instants.map(({ asOfMs }) => asOfMs))
  return sql`SELECT json_group_array(user_id) AS user_ids, json_group_array(piece) AS pieces
    ${raw(leaves.map((_, n) => `, json_group_array(l${n}) AS l${n}`).join(''))}
    FROM (SELECT c.user_id AS user_id, ${piece} AS piece, ${join(columns, ', ')} ${base.from} AND c.user_id <> 0 GROUP BY c.user_id, piece)`
}

function hasValue({ kind, name }: Leaf, scope: Scope): Fragment {
  if (kind === 'number') return raw(`(${numberFields[name as keyof typeof numberFields]}) IS NOT NULL`)
  return holds({ kind: 'presence', operator: 'exists', name }, scope)
}

function holds(leaf: Leaf, scope: Scope): Fragment {
  const test = filterSql(leaf, 'calls', scope)
  if (test === undefined) throw new Error('The calls cannot answer this reading.')
  return test
}

/** How many of ascending instants a call does not start before: the first at which it is known. */
function pieceSql(instants: readonly number[], from = 0): Fragment {
  const middle = instants.length >> 1
  const at = instants[middle]
  if (at === undefined) return sql`${from}`
  const [before, after] = [instants.slice(0, middle), instants.slice(middle + 1)]
  return sql`iif(c.start_ms < ${at}, ${pieceSql(before, from)}, ${pieceSql(after, from + middle + 1)})`
}

type GroupReader = (segment: CustomSegment) => Promise<ReadonlyMap<number, Group>>

const USER: Dimension = { kind: 'column', name: 'user' }

/** Reads what metrics of segments are computed from, once for all that look at the same calls. */
function groupReader(words: Words, instant: Instant): GroupReader {
  const read = new Map<string, ReadonlyMap<number, Group>>()
  return async (segment) => {
    const where = segment.match === 'any' ? segment.where : undefined
    const metrics = metricsOf(segment)
    const key = JSON.stringify([segment.last, where, metrics])
    const known = read.get(key)
    if (known !== undefined) return known
    const period = resolvePeriod({ last: segment.last }, { zone: words.zone, asOfMs: instant.asOfMs, firstMs: words.firstMs })
    const scope = await scopeOf({ ...wordsAt(words, instant, where), traits: where === undefined ? 'current' : 'as-of' }, period)
    const groups = await readGroups(words.store, scope, { dimensions: [USER], metrics })
    const byUser = new Map(groups.map(({ keys, group }) => [Number(keys[0] ?? 0), group]))
    read.set(key, byUser)
    return byUser
  }
}

function metricsOf({ having }: CustomSegment): MetricName[] {
  return [...new Set<MetricName>(['requests', ...(having === undefined ? [] : namesIn(having).filter(isMetric))])]
}

/** Users without calls in the window have none of everything: `requests < 5` is true of them; no call of theirs fits a `where`. */
const noCalls: Group = { sums: new Map(), costNanoUsd: 0n }

async function havingTest(segment: CustomSegment, groupsOf: GroupReader): Promise<(userId: number) => boolean> {
  const { having, match } = segment
  if (having === undefined && match === 'latest') return () => true
  const groups = await groupsOf(segment)
  const columns = metricsOf(segment).map(metricColumn)
  const areRetriesTold = [...groups.values()].some(({ retries }) => retries !== undefined)
  const none: Group = areRetriesTold ? { ...noCalls, retries: { requests: 0, retries: 0 } } : noCalls
  return (userId) => {
    const group = groups.get(userId)
    if (match === 'any' && (group?.sums.get('requests') ?? 0) === 0) return false
    const cell = (name: string) => (isMetric(name) ? metricTable[name].of(group ?? none) : null)
    return having === undefined || rowPasses(having, cell, columns)
  }
}
