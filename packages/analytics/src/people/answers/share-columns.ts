import { shareParts, sharePartNames, type SharePart } from '../../query/share-parts.ts'
import { noShares } from '../../query/query.ts'
import type { Share } from '../../statistics/proportions.ts'
import type { ColumnTable, Told, Value } from './told.ts'

type Row = Readonly<Record<string, Value>>

/**
 * What a report told, each of its shares followed by what it rests on and by its bounds; a report that has some of these columns
 * anyway keeps its own. @throws QueryError where no column is a share of what is counted one by one
 */
export function withShareParts(told: Told): Told {
  const parts = partsOf(told.columns)
  if (parts.length === 0) throw noShares()
  const columns: Record<string, ColumnTable[string]> = {}
  for (const [key, column] of Object.entries(told.columns)) {
    columns[key] = column
    for (const { name, part } of parts.filter(({ of }) => of === key)) {
      const { label, type, says } = shareParts[part]
      columns[name] = [`${column[0]} ${label}`, type, `${key}: ${says}`]
    }
  }
  const fill = (row: Row): Row => ({ ...row, ...Object.fromEntries(parts.flatMap((one) => cellOf(row, one))) })
  return { ...told, columns, rows: told.rows.map(fill), ...(told.totals === undefined ? {} : { totals: fill(told.totals) }) }
}

interface PartColumn {
  readonly name: string
  readonly of: string
  readonly part: SharePart
  /** Of a row what is above the line, and below it. */
  readonly values: readonly [numerator: string, denominator: string]
}

function partsOf(table: ColumnTable): PartColumn[] {
  return Object.entries(table).flatMap(([of, [, , , values]]) => {
    if (values === undefined) return []
    const wanted = sharePartNames.map((part): PartColumn => ({ name: `${of}_${part}`, of, part, values }))
    return wanted.filter(({ name }) => !Object.hasOwn(table, name))
  })
}

/** Nothing for a row without that share, as totals may be. */
function cellOf(row: Row, { name, of, part, values }: PartColumn): [string, Value][] {
  if (!Object.hasOwn(row, of)) return []
  const share = shareOf(row, values)
  return [[name, share === undefined ? null : shareParts[part].of(share)]]
}

function shareOf(row: Row, [numerator, denominator]: PartColumn['values']): Share | undefined {
  const [successes, n] = [row[numerator], row[denominator]]
  return typeof successes === 'number' && typeof n === 'number' ? { successes, n } : undefined
}
