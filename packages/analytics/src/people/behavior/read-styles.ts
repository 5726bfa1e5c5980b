import { parseFilter } from '../../query/filter.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { Scope } from '../../plan/scope.ts'

/** How a user writes, and of how many requests that is known. */
export interface Style {
  readonly style: 'formal' | 'casual' | undefined
  readonly formal: number
  readonly casual: number
}

export const STYLE_DAYS = 30
/** Of fewer requests nothing is told. */
export const MIN_STYLED = 5
/** Less of one of both is neither. */
export const MIN_STYLE_SHARE = 0.6

/** By property `communication_style` of the requests of the last 30 days; users without one are left out. */
export async function readStyles(
  frame: Frame,
  { period: { toMs } }: Scope,
  userIds: readonly number[],
): Promise<ReadonlyMap<number, Style>> {
  if (!frame.catalog.keys.has('communication_style')) return new Map()
  const where = parseFilter(['is', 'property:communication_style', ['formal', 'casual']])
  const period = { fromMs: toMs - STYLE_DAYS * 86_400_000, toMs }
  const scope = await scopeOf({ ...frame, clock: { ...frame.clock, asOfMs: toMs }, where }, period)
  const found = await readGroups(
    frame.store,
    { ...scope, userIds },
    {
      dimensions: [
        { kind: 'column', name: 'user' },
        { kind: 'property', key: 'communication_style' },
      ],
      metrics: ['requests'],
    },
  )
  const counts = new Map<number, { formal: number; casual: number }>()
  for (const { keys, labels, group } of found) {
    const own = counts.get(Number(keys[0])) ?? { formal: 0, casual: 0 }
    own[labels[1] === 'formal' ? 'formal' : 'casual'] += group.sums.get('requests') ?? 0
    counts.set(Number(keys[0]), own)
  }
  return new Map(Array.from(counts, ([userId, own]) => [userId, { ...own, style: styleIn(own) }]))
}

function styleIn({ formal, casual }: { formal: number; casual: number }): Style['style'] {
  const all = formal + casual
  if (all < MIN_STYLED) return undefined
  return formal >= MIN_STYLE_SHARE * all ? 'formal' : casual >= MIN_STYLE_SHARE * all ? 'casual' : undefined
}
