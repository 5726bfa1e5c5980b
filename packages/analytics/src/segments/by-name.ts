import type { FilterNode } from '../query/filter.ts'

/** Under which names apps keep the plan of a user. */
const planKeys = ['user_tier', 'usertier', 'tier', 'plan']

/** What is needed of a tier or segment to say who is in it. */
interface Named {
  readonly name: string
  readonly where: FilterNode | undefined
}

/**
 * Several that say of nobody who is in them cannot all be for everybody: they are of the users whose plan is called so. `free_tier` has
 * those whose property user_tier, tier or plan is free, or free_tier; one alone stays for everybody.
 */
export function byNameWhereSeveral<One extends Named>(all: readonly One[], isForAll: (one: One) => boolean): readonly One[] {
  const forAll = all.filter(isForAll)
  return forAll.length < 2 ? all : all.map((one) => (isForAll(one) ? Object.assign({}, one, { where: planCalled(one.name) }) : one))
}

function planCalled(name: string): FilterNode {
  const short = name.replace(/[_ -](?:tier|plan|users?)$/i, '')
  const values = [...new Set([name, short].flatMap((word) => [word, word.toLowerCase(), word.charAt(0).toUpperCase() + word.slice(1)]))]
  return {
    kind: 'group',
    operator: 'or',
    parts: planKeys.map((key) => ({ kind: 'text', operator: 'is', name: `property:${key}`, values })),
  }
}
