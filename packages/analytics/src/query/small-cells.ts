/** A cell of a table of calls: one combination of values, and who made its calls. */
export interface Cell {
  /** Different users with a call. */
  readonly users: number
  /** Which they are; needed of cells of fewer than `minUsers` only. */
  readonly who?: ReadonlySet<number> | undefined
}

export interface Table {
  readonly cells: readonly Cell[]
  /** Positions of the cells whose sum is told elsewhere, such as those of a line. The sum of all cells is always told. */
  readonly sums: readonly (readonly number[])[]
}

/** More hidden cells than this are not reckoned with beside the total: elimination takes their number to the third. */
const MAX_HIDDEN = 500

/**
 * Positions of the cells that have to be hidden so that nobody learns of fewer than `minUsers` users: the cells of so few, and as many
 * others, of the fewest users first, that no small cell follows from the sums, and no sum tells of several cells together that are of too few
 * users (complementary suppression). Undefined where hiding does not help, as of a table of one cell, or where there would be too many.
 */
export function cellsToHide({ cells, sums: some }: Table, minUsers: number): ReadonlySet<number> | undefined {
  const all = [...cells.keys()]
  const sums = [all, ...some]
  const isSmall = (n: number): boolean => (cells[n]?.users ?? 0) < minUsers
  const areTooFew = (positions: readonly number[]): boolean =>
    positions.every(isSmall) && new Set(positions.flatMap((n) => [...(cells[n]?.who ?? [])])).size < minUsers
  const sumsOf = cells.map((): number[] => [])
  for (const [at, sum] of sums.entries()) for (const n of sum) sumsOf[n]?.push(at)
  const hidden = new Set<number>()
  const hiddenIn = sums.map(() => 0)
  const hide = (n: number): void => {
    hidden.add(n)
    for (const at of sumsOf[n] ?? []) hiddenIn[at] = (hiddenIn[at] ?? 0) + 1
  }
  for (const n of all) if (isSmall(n)) hide(n)
  /** First what closes a ring: a cell whose other lines have hidden ones too; then the fewest users. */
  const hideOneOf = (candidates: Iterable<number>): boolean => {
    const [first] = [...candidates]
      .filter((n) => !hidden.has(n))
      .map((n) => ({ n, users: cells[n]?.users ?? 0, rings: (sumsOf[n] ?? []).filter((at) => (hiddenIn[at] ?? 0) > 0).length }))
      .toSorted((x, y) => y.rings - x.rings || x.users - y.users || x.n - y.n)
    if (first !== undefined) hide(first.n)
    return first !== undefined
  }
  while (hidden.size > 0) {
    if (some.length > 0 && hidden.size > MAX_HIDDEN) return undefined
    const single = sums.find((sum, at) => sum.length > 1 && hiddenIn[at] === 1)
    if (single !== undefined && hideOneOf(single)) continue
    const known = followingFrom(sums, hidden)
    const learned = [...hidden].find((n) => isSmall(n) && known.has(n))
    if (learned !== undefined) {
      const lines = (sumsOf[learned] ?? []).flatMap((at) => (at === 0 ? [] : (sums[at] ?? [])))
      if (hideOneOf(new Set(lines)) || hideOneOf(all)) continue
      return undefined
    }
    const thin = sums.find((sum) => {
      const unknown = sum.filter((n) => hidden.has(n) && !known.has(n))
      return unknown.length > 0 && areTooFew(unknown)
    })
    if (thin === undefined) return hidden
    if (!hideOneOf(thin)) return undefined
  }
  return hidden
}

/**
 * The hidden cells that follow from the sums, where all other cells are seen: those whose unit vector is a combination of the sums. (Gauss and
 * Jordan: in the reduced form that is a row with a single entry.)
 */
function followingFrom(sums: readonly (readonly number[])[], hidden: ReadonlySet<number>): ReadonlySet<number> {
  const positions = [...hidden]
  const column = new Map(positions.map((n, at) => [n, at]))
  const rows = sums.map((sum) => {
    const row = new Float64Array(positions.length)
    for (const n of sum) {
      const at = column.get(n)
      if (at !== undefined) row[at] = 1
    }
    return row
  })
  reduce(rows, positions.length)
  const following = rows.flatMap((row) => {
    const entries = positions.filter((_, at) => !isZero(row[at]))
    return entries.length === 1 ? entries : []
  })
  return new Set(following)
}

function reduce(rows: Float64Array[], columns: number): void {
  let rank = 0
  for (let column = 0; column < columns && rank < rows.length; column++) {
    const at = rows.findIndex((row, n) => n >= rank && !isZero(row[column]))
    const pivot = rows[at]
    if (pivot === undefined) continue
    rows[at] = rows[rank] ?? pivot
    rows[rank] = pivot
    const by = pivot[column] ?? 1
    for (let k = column; k < columns; k++) pivot[k] = (pivot[k] ?? 0) / by
    for (const row of rows) {
      const factor = row[column] ?? 0
      if (row !== pivot && !isZero(factor)) for (let k = column; k < columns; k++) row[k] = (row[k] ?? 0) - factor * (pivot[k] ?? 0)
    }
    rank++
  }
}

function isZero(value: number | undefined): boolean {
  return Math.abs(value ?? 0) < 1e-9
}
