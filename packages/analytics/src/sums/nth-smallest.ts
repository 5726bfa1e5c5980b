/**
 * The n-th smallest of some numbers (0 is the smallest), by Hoare's selection: linear where sorting is not, and these are
 * as many as users. Reorders them.
 * @returns undefined where there are not so many
 */
export function nthSmallest(values: Float64Array, n: number): number | undefined {
  if (n < 0 || n >= values.length) return undefined
  let [low, high] = [0, values.length - 1]
  while (low < high) {
    const pivot = middleOf(values[low] ?? 0, values[(low + high) >> 1] ?? 0, values[high] ?? 0)
    let [left, right] = [low, high]
    while (left <= right) {
      while ((values[left] ?? 0) < pivot) left++
      while ((values[right] ?? 0) > pivot) right--
      if (left > right) break
      const taken = values[left] ?? 0
      values[left++] = values[right] ?? 0
      values[right--] = taken
    }
    if (n <= right) high = right
    else if (n >= left) low = left
    else break
  }
  return values[n]
}

/** The median of three: what is sorted already must not take quadratic time. */
function middleOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}
