/**
 * Positions for ids that come again: the n-th different id is at n. Ids of a dictionary table are dense, so an array finds
 * them; a Map takes five times as long, and there are as many as users.
 */
export function positionsOf(ids: readonly number[]): { readonly unique: Int32Array; readonly positions: Int32Array } {
  let most = 0
  for (const id of ids) if (id > most) most = id
  // 0 is "not seen": positions are kept one higher.
  const seenAt = new Int32Array(most + 1)
  const positions = new Int32Array(ids.length)
  const unique = new Int32Array(ids.length)
  let count = 0
  for (let n = 0; n < ids.length; n++) {
    const id = ids[n] ?? 0
    if (seenAt[id] === 0) {
      unique[count] = id
      seenAt[id] = ++count
    }
    positions[n] = (seenAt[id] ?? 1) - 1
  }
  return { unique: unique.slice(0, count), positions }
}

/** Adds values up by their positions. */
export function sumBy(positions: Int32Array, count: number, values: readonly number[] = []): Float64Array {
  const sums = new Float64Array(count)
  for (let n = 0; n < values.length; n++) {
    const position = positions[n] ?? 0
    sums[position] = (sums[position] ?? 0) + (values[n] ?? 0)
  }
  return sums
}

/** The same where values may be unknown: those are left out, and a sum of nothing known is NaN. */
export function sumKnown(positions: Int32Array, count: number, values: readonly (number | null)[]): Float64Array {
  const sums = new Float64Array(count).fill(Number.NaN)
  for (let n = 0; n < values.length; n++) {
    const value = values[n]
    if (value === null || value === undefined) continue
    const position = positions[n] ?? 0
    const sum = sums[position] ?? Number.NaN
    sums[position] = Number.isNaN(sum) ? value : sum + value
  }
  return sums
}
