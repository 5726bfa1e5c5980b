/** The mean; null of nothing. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length
}

/** The variance of a sample (n - 1); null of fewer than two values. */
export function variance(values: readonly number[]): number | null {
  if (values.length < 2) return null
  const middle = sum(values) / values.length
  return values.reduce((total, value) => total + (value - middle) ** 2, 0) / (values.length - 1)
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** The q-quantile between the two nearest ranks (type 7 of Hyndman and Fan 1996, the default of R and numpy); null of nothing. */
export function quantile(values: readonly number[], q: number): number | null {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const at = (sorted.length - 1) * q
  const below = Math.floor(at)
  const low = sorted[below] ?? Number.NaN
  return low + ((sorted[Math.min(below + 1, sorted.length - 1)] ?? low) - low) * (at - below)
}

export function median(values: readonly number[]): number | null {
  return quantile(values, 0.5)
}

/** Which share of `values` is below `value`, those equal to it counted half, in percent (midrank); null of nothing. */
export function percentileRank(values: readonly number[], value: number): number | null {
  if (values.length === 0) return null
  let below = 0
  let equal = 0
  for (const other of values) {
    if (other < value) below++
    else if (other === value) equal++
  }
  return ((below + equal / 2) / values.length) * 100
}

/** The midrank of each of some values among them, in percent, in their order. */
export function percentileRanks(values: Float64Array): Float64Array {
  const ascending = values.toSorted()
  const rankOf = new Map<number, number>()
  for (let from = 0; from < ascending.length;) {
    const value = ascending[from] ?? 0
    let to = from
    while (to < ascending.length && ascending[to] === value) to++
    rankOf.set(value, ((from + to) / 2 / ascending.length) * 100)
    from = to
  }
  return values.map((value) => rankOf.get(value) ?? 0)
}
