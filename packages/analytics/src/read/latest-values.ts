import { NONE } from '../query/dimensions.ts'
import { refuseDone, type FilterNode } from '../query/filter.ts'

/** A test of one name that says what is to hold, never what is not. */
export type Leaf = Exclude<FilterNode, { kind: 'group' | 'not' | 'done' | 'users' }>

/**
 * The same filter with tests that say what is to hold: asked of a user's latest value, "is not pro" is the opposite of "is
 * pro", also where the user has no value.
 */
export function normalLeaves(node: FilterNode): FilterNode {
  switch (node.kind) {
    case 'group':
      return { ...node, parts: node.parts.map(normalLeaves) }
    case 'not':
      return { kind: 'not', part: normalLeaves(node.part) }
    case 'number':
      return node
    case 'presence':
      return node.operator === 'exists' ? node : { kind: 'not', part: { ...node, operator: 'exists' } }
    case 'text':
      return normalText(node)
    case 'done':
    case 'users':
      return refuseDone('in a segment of your own')
  }
}

function normalText(node: FilterNode & { kind: 'text' }): FilterNode {
  if (node.operator === 'is_not') return { kind: 'not', part: normalText({ ...node, operator: 'is' }) }
  if (node.operator === 'not_contains') return { kind: 'not', part: normalText({ ...node, operator: 'contains' }) }
  if (node.operator !== 'is' || !node.values.includes(NONE)) return node
  const values = node.values.filter((value) => value !== NONE)
  const missing: FilterNode = { kind: 'not', part: { kind: 'presence', operator: 'exists', name: node.name } }
  return values.length === 0 ? missing : { kind: 'group', operator: 'or', parts: [missing, { ...node, values }] }
}

/** Two tests that are the same have the same key. */
export function leafKey(leaf: Leaf): string {
  return JSON.stringify(leaf)
}

/** The tests of filters, each once. */
export function distinctLeaves(nodes: readonly FilterNode[]): readonly Leaf[] {
  const leaves = new Map<string, Leaf>()
  const visit = (node: FilterNode): void => {
    if (node.kind === 'group') for (const part of node.parts) visit(part)
    else if (node.kind === 'not') visit(node.part)
    else if (node.kind === 'done' || node.kind === 'users') refuseDone('in a segment of your own')
    else leaves.set(leafKey(node), node)
  }
  for (const node of nodes) visit(node)
  return [...leaves.values()]
}

/** Whether a filter holds, given which of its tests do. */
export function wherePasses(node: FilterNode, holds: (leaf: Leaf) => boolean): boolean {
  if (node.kind === 'group')
    return node.operator === 'and'
      ? node.parts.every((part) => wherePasses(part, holds))
      : node.parts.some((part) => wherePasses(part, holds))
  if (node.kind === 'done' || node.kind === 'users') return refuseDone('in a segment of your own')
  return node.kind === 'not' ? !wherePasses(node.part, holds) : holds(node)
}
