import type { Dimension } from '../query/dimensions.ts'
import type { ParsedQuery } from '../query/query.ts'
import { QueryError } from '../query/query-error.ts'
import { cellsToHide, type Cell, type Table } from '../query/small-cells.ts'
import type { MetricName } from '../query/metrics.ts'
import type { Key, Scope } from '../plan/scope.ts'
import { nameOf, type FoundGroup } from './found-groups.ts'
import type { Frame } from './frame.ts'
import { readGroups } from './read-groups.ts'

const USER: Dimension = { kind: 'column', name: 'user' }

/** Groups of an answer, and how many of them are told as one; undefined where that was not asked for. */
export interface Folded {
  readonly groups: readonly FoundGroup[]
  readonly suppressed: { readonly rows: number; readonly warnings: readonly string[] } | undefined
}

/** @throws QueryError for questions whose rows are of one user each, share calls, or say something of other rows */
export function checkFoldable({ dimensions, memberships }: Frame, { compare, attribution }: ParsedQuery): void {
  if (dimensions.some((one) => one.kind === 'column' && (one.name === 'user' || one.name === 'session')))
    throw cannotHold('rows by user or session are of one user each')
  if (compare !== undefined) throw cannotHold('with compare a row says what fewer users may have done before')
  if (attribution !== undefined) throw cannotHold('with attribution a call is in several rows')
  if (!memberships.exclusive && dimensions.some(({ kind }) => kind === 'segment')) throw cannotHold('users are in several segments')
}

function cannotHold(why: string): QueryError {
  return new QueryError(`min_users cannot hold here: ${why}. Leave one of both out.`, { given: 'min_users' })
}

/**
 * The groups of a question. With `minUsers` those of fewer different users are put together, with as many others as it takes that none of
 * them can be reckoned from the totals, nor from the same question by fewer dimensions. @throws QueryError where that cannot be had
 */
export async function readFolded(
  frame: Frame,
  scope: Scope,
  { metrics, minUsers }: { metrics: readonly MetricName[]; minUsers: number | undefined },
): Promise<Folded> {
  const { dimensions, store } = frame
  if (minUsers === undefined) return { groups: await readGroups(store, scope, { dimensions, metrics }), suppressed: undefined }
  const groups = await readGroups(store, scope, { dimensions, metrics: [...new Set([...metrics, 'users' as const])] })
  if (groups.length === 0) return { groups, suppressed: { rows: 0, warnings: [] } }
  const cells = await withUsers(frame, scope, { dimensions, groups, minUsers })
  const strict = cellsToHide({ cells, sums: await readLines(frame, scope, { groups, minUsers }) }, minUsers)
  const hidden = strict ?? cellsToHide({ cells, sums: [] }, minUsers)
  if (hidden === undefined) throw tooFew(minUsers)
  if (hidden.size === 0) return { groups, suppressed: { rows: 0, warnings: [] } }
  const members = groups.filter((_, n) => hidden.has(n))
  const choice = { dimensions, keys: members.map(({ keys }) => keys), are: 'in' as const }
  const [together] = await readGroups(
    store,
    { ...scope, groups: choice },
    { dimensions: [], metrics: [...new Set([...metrics, 'users' as const])] },
  )
  const rest: FoundGroup = { keys: [], labels: [], group: together?.group ?? { sums: new Map(), costNanoUsd: 0n }, members }
  return {
    groups: [...groups.filter((_, n) => !hidden.has(n)), rest],
    suppressed: { rows: hidden.size, warnings: strict === undefined ? [linesTell] : [] },
  }
}

const linesTell =
  'rows of few users are told as one, but who asks the same by fewer dimensions too may reckon some of them: share this answer alone'

function tooFew(minUsers: number): QueryError {
  return new QueryError(
    `Fewer than ${minUsers} users are behind this answer, or behind so many of its rows that the others would tell of them. Ask of a longer time, by fewer dimensions, or with a smaller min_users.`,
    { given: String(minUsers) },
  )
}

/** Groups as cells; of those of few users it is read who these are. */
async function withUsers(
  { store }: Frame,
  scope: Scope,
  { dimensions, groups, minUsers }: { dimensions: readonly Dimension[]; groups: readonly FoundGroup[]; minUsers: number },
): Promise<Cell[]> {
  const small = groups.filter(({ group }) => (group.users ?? 0) < minUsers)
  const who = new Map<string, Set<number>>(small.map(({ keys }) => [nameOf(keys), new Set()]))
  if (small.length > 0) {
    const choice = { dimensions, keys: small.map(({ keys }) => keys), are: 'in' as const }
    const read = { dimensions: [...dimensions, USER], metrics: ['requests' as const] }
    for (const { keys } of await readGroups(store, { ...scope, groups: choice }, read)) {
      const user = Number(keys.at(-1) ?? 0)
      if (user !== 0) who.get(nameOf(keys.slice(0, -1)))?.add(user)
    }
  }
  return groups.map(({ keys, group }) => ({ users: group.users ?? 0, who: who.get(nameOf(keys)) }))
}

/** The sums that the same question tells when it is asked by one dimension less, or by one only: the positions of their groups. */
async function readLines(
  frame: Frame,
  scope: Scope,
  { groups, minUsers }: { groups: readonly FoundGroup[]; minUsers: number },
): Promise<Table['sums']> {
  const { dimensions, store } = frame
  if (dimensions.length < 2) return []
  const each = [...dimensions.keys()]
  const asked = new Map([...each.map((n) => [n]), ...each.map((n) => each.filter((one) => one !== n))].map((some) => [some.join(), some]))
  const sums: number[][] = []
  for (const some of asked.values()) {
    const fewer = some.flatMap((n) => dimensions[n] ?? [])
    const lines = await readGroups(store, scope, { dimensions: fewer, metrics: ['users'] })
    const cells = await withUsers(frame, scope, { dimensions: fewer, groups: lines, minUsers })
    const hidden = cellsToHide({ cells, sums: [] }, minUsers) ?? new Set(lines.keys())
    const told = new Map<string, number[]>(lines.flatMap(({ keys }, n) => (hidden.has(n) ? [] : [[nameOf(keys), []]])))
    for (const [position, { keys }] of groups.entries()) told.get(nameOf(some.map((n): Key => keys[n] ?? null)))?.push(position)
    sums.push(...told.values())
  }
  return sums
}
