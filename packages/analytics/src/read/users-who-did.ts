import { scopeOf, type ScopeWords } from '../plan/scope-of.ts'
import type { FilterNode } from '../query/filter.ts'
import { startOfLast, type Period } from '../query/period.ts'
import { readGroups } from './read-groups.ts'

/**
 * A filter whose `has_done` are the users who did it: those with at least `min` calls that fit in the period, or in the time
 * `within` that ends with it. Calls without a user are nobody's.
 * @throws QueryError for a time that is none, or names that are unknown
 */
export async function lookUpDone<Where extends FilterNode | undefined>(asked: Asked, where: Where): Promise<Where | FilterNode> {
  if (where === undefined || !holdsDone(where)) return where
  switch (where.kind) {
    case 'group':
      return { ...where, parts: await Promise.all(where.parts.map((part) => lookUpDone(asked, part))) }
    case 'not':
      return { kind: 'not', part: await lookUpDone(asked, where.part) }
    case 'done':
      return { kind: 'users', ids: await readUsersWhoDid(asked, { ...where, part: await lookUpDone(asked, where.part) }) }
    default:
      return where
  }
}

interface Asked extends ScopeWords {
  readonly period: Period
}

function holdsDone(node: FilterNode): boolean {
  if (node.kind === 'group') return node.parts.some(holdsDone)
  return node.kind === 'done' || (node.kind === 'not' && holdsDone(node.part))
}

async function readUsersWhoDid(asked: Asked, { part, min, within }: FilterNode & { kind: 'done' }): Promise<number[]> {
  const { fromMs, toMs } = asked.period
  const period = { fromMs: within === undefined ? fromMs : startOfLast(within, toMs, asked.zone), toMs }
  const scope = await scopeOf({ ...asked, dimensions: [], where: part }, period)
  const groups = await readGroups(asked.store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics: ['requests'] })
  return groups
    .filter(({ keys, group }) => Number(keys[0]) !== 0 && (group.sums.get('requests') ?? 0) >= min)
    .map(({ keys }) => Number(keys[0]))
}
