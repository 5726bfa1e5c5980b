import { wilsonInterval, type Share } from '../statistics/proportions.ts'
import type { ColumnType, Metric } from './metric.ts'

/** What a share rests on, and between which bounds it lies: as columns, behind its own name. */
export const shareParts = {
  numerator: { label: 'of which', type: 'int', says: 'what is above the line', of: ({ successes }) => successes },
  denominator: { label: 'of', type: 'int', says: 'what is below the line', of: ({ n }) => n },
  low: {
    label: 'from',
    type: 'rate',
    says: 'lower end of the 95 % interval (Wilson), as if what is counted were independent of each other',
    of: (share) => wilsonInterval(share)?.[0] ?? null,
  },
  high: { label: 'to', type: 'rate', says: 'its upper end', of: (share) => wilsonInterval(share)?.[1] ?? null },
} as const satisfies Record<string, { label: string; type: ColumnType; says: string; of: (share: Share) => number | null }>

export type SharePart = keyof typeof shareParts

export const sharePartNames = Object.keys(shareParts) as SharePart[]

/** The metrics that tell what each share of a table rests on, and its bounds: `error_rate_low`. */
export function partsOfShares(metrics: Readonly<Record<string, Metric>>): Record<string, Metric> {
  const parts = Object.entries(metrics).flatMap(([name, { label, sums, needs, share }]) => {
    if (share === undefined) return []
    return sharePartNames.map((part): [string, Metric] => {
      const { of, ...words } = shareParts[part]
      const metric: Metric = {
        ...words,
        label: `${label} ${words.label}`,
        says: `${name}: ${words.says}`,
        ...(sums === undefined ? {} : { sums }),
        ...(needs === undefined ? {} : { needs }),
        of: (group) => {
          const counted = share(group)
          return counted === undefined ? null : of(counted)
        },
      }
      return [`${name}_${part}`, metric]
    })
  })
  return Object.fromEntries(parts)
}
