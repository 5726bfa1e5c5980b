/** A question that cannot be answered as asked: what was given, what is allowed, what to do. Nothing was read yet. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
  /** The word that was not understood. */
  readonly given: string
  /** What would have been, where that is a short list. */
  readonly allowed: readonly string[]

  constructor(message: string, facts: { readonly given: string; readonly allowed?: readonly string[] }) {
    super(message)
    this.given = facts.given
    this.allowed = facts.allowed ?? []
  }
}

/** Lists of our own are shorter, and said whole. */
const MAX_NAMED = 100

/** An error for a name that stands in no table, with the nearest one that does. */
export function unknownName(what: string, given: string, { allowed, advice }: { allowed: readonly string[]; advice?: string }): QueryError {
  const near = nearest(given, allowed)
  const list = allowed.length > MAX_NAMED ? `${allowed.slice(0, MAX_NAMED).join(', ')}, …` : allowed.join(', ')
  const message = [
    `Unknown ${what} ${JSON.stringify(given)}.`,
    near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`,
    list === '' ? '' : ` Allowed: ${list}.`,
    advice === undefined ? '' : ` ${advice}`,
  ].join('')
  return new QueryError(message, { given, allowed })
}

/** The name that a typing error most likely meant, or undefined where none is near. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const word = given.toLowerCase().slice(0, 64)
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    const distance = editDistance(word, name.toLowerCase().slice(0, 64))
    if (best === undefined || distance < best.distance) best = { name, distance }
  }
  const allowed = Math.max(1, Math.floor(word.length / 3))
  return best !== undefined && best.distance <= allowed ? best.name : names.find((name) => word.length > 2 && name.startsWith(word))
}

/** Levenshtein's distance, row by row, with two neighbours in each other's place as one error: the commonest at a keyboard. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? (beforePrevious[j - 2] ?? 0) + 1 : replaced
      row.push(Math.min(replaced, swapped, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length] ?? 0
}
