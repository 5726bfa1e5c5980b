import { seededRandom } from './seeded-random.ts'

/** Resamples of the users of an arm. */
const RESAMPLES = 1000
/** So many values are looked at for all resamples together; at least a hundred resamples are. */
const MAX_LOOKS = 200_000_000

/**
 * A quantile (nearest rank) of the values of all users together, and its standard error from resamples of the users: values of one
 * user are not independent, so the user is the unit. The same values give the same answer, in whatever order users come.
 * @returns null of fewer than two users with a value
 */
export function bootstrapQuantile(
  users: readonly (readonly number[])[],
  q: number,
): { readonly quantile: number; readonly standardError: number } | null {
  const own = users
    .filter((values) => values.length > 0)
    .map((values) => Float64Array.from(values).sort())
    .sort(byValues)
  if (own.length < 2) return null
  const pooled = poolOf(own)
  const found = weightedQuantile(pooled, new Uint32Array(own.length).fill(1), q)
  const resamples = Math.min(RESAMPLES, Math.max(100, Math.floor(MAX_LOOKS / pooled.values.length)))
  const random = seededRandom(own.length)
  let [sum, squares] = [0, 0]
  const drawn = new Uint32Array(own.length)
  for (let n = 0; n < resamples; n++) {
    drawn.fill(0)
    for (let k = 0; k < own.length; k++) {
      const user = Math.floor(random() * own.length)
      drawn[user] = (drawn[user] ?? 0) + 1
    }
    // Far from the quantile of all the squares would lose digits.
    const off = weightedQuantile(pooled, drawn, q) - found
    sum += off
    squares += off * off
  }
  return { quantile: found, standardError: Math.sqrt(Math.max(0, squares - (sum * sum) / resamples) / (resamples - 1)) }
}

/** All values in order, each with the number of its user; how many values each user has. */
interface Pool {
  readonly values: Float64Array
  readonly users: Uint32Array
  readonly counts: Uint32Array
}

function poolOf(own: readonly Float64Array[]): Pool {
  const counts = Uint32Array.from(own, ({ length }) => length)
  const length = counts.reduce((total, count) => total + count, 0)
  const [values, users] = [new Float64Array(length), new Uint32Array(length)]
  let at = 0
  for (const [user, of] of own.entries()) {
    values.set(of, at)
    users.fill(user, at, (at += of.length))
  }
  const order = Uint32Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))
  return { values: values.slice().sort(), users: order.map((n) => users[n] ?? 0), counts }
}

/** The quantile where each user stands there as often as `times` says. */
function weightedQuantile({ values, users, counts }: Pool, times: Uint32Array, q: number): number {
  let total = 0
  for (let user = 0; user < times.length; user++) total += (times[user] ?? 0) * (counts[user] ?? 0)
  const rank = Math.max(1, Math.ceil(q * total))
  let seen = 0
  for (let n = 0; n < values.length; n++) {
    seen += times[users[n] ?? 0] ?? 0
    if (seen >= rank) return values[n] ?? Number.NaN
  }
  return values.at(-1) ?? Number.NaN
}

/** Users in an order that their values alone decide. */
function byValues(a: Float64Array, b: Float64Array): number {
  for (let n = 0; n < a.length && n < b.length; n++) {
    const difference = (a[n] ?? 0) - (b[n] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
