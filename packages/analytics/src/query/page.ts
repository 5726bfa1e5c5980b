import { compareCells } from './answer.ts'
import type { Amount } from './metric.ts'
import type { Order } from './query.ts'
import { QueryError } from './query-error.ts'

/** Where a row stands in an order: its values of the order's columns, then texts that no other row shares. */
export interface Place {
  readonly values: readonly (Amount | string)[]
  readonly names: readonly string[]
}

/** The rows after a place, at most so many. */
export interface PageWords {
  readonly order: readonly Order[]
  /** As `encodeCursor` wrote it. */
  readonly after: Place | undefined
  readonly limit: number | undefined
}

/** Negative where `a` comes first. Unknown values come last either way, equals in the order of their names. */
export function comparePlaces(a: Place, b: Place, order: readonly Order[]): number {
  for (const [n, [, direction]] of order.entries()) {
    const compared = compareCells(a.values[n] ?? null, b.values[n] ?? null, direction)
    if (compared !== 0) return compared
  }
  for (const [n, name] of a.names.entries()) {
    const other = b.names[n] ?? ''
    if (name !== other) return name < other ? -1 : 1
  }
  return 0
}

/** One page of placed items, in order, and the cursor that the next page begins after; null where there is none. */
export function pageOf<Item>(
  items: readonly Item[],
  placeOf: (item: Item) => Place,
  { order, after, limit }: PageWords,
): { items: Item[]; next: string | null } {
  const placed = items.map((item) => ({ item, place: placeOf(item) }))
  const beyond = after === undefined ? placed : placed.filter(({ place }) => comparePlaces(place, after, order) > 0)
  const listed = firstInOrder(beyond, (a, b) => comparePlaces(a.place, b.place, order), limit)
  const last = listed.at(-1)
  return {
    items: listed.map(({ item }) => item),
    next: last === undefined || listed.length === beyond.length ? null : encodeCursor(last.place, order),
  }
}

/** The first so many, in order; a short list of many items is found without sorting the rest. */
function firstInOrder<Item>(items: readonly Item[], compare: (a: Item, b: Item) => number, limit: number | undefined): Item[] {
  if (limit === undefined || limit * 8 > items.length) return items.toSorted(compare).slice(0, limit)
  const first: Item[] = []
  for (const item of items) {
    const last = first.at(-1)
    if (first.length === limit && (last === undefined || compare(item, last) >= 0)) continue
    let [from, to] = [0, first.length]
    while (from < to) {
      const middle = (from + to) >> 1
      const other = first[middle]
      if (other !== undefined && compare(other, item) <= 0) from = middle + 1
      else to = middle
    }
    first.splice(from, 0, item)
    if (first.length > limit) first.pop()
  }
  return first
}

/** A place as opaque text. What the ledger gains meanwhile moves no row from one side of it to the other. */
function encodeCursor({ values, names }: Place, order: readonly Order[]): string {
  const written = values.map((value) => (typeof value === 'bigint' ? { nano: String(value) } : value))
  return Buffer.from(JSON.stringify([order, written, names])).toString('base64url')
}

/** @throws QueryError for what is no cursor, or one of rows in another order */
export function decodeCursor(cursor: string, order: readonly Order[], names: number): Place {
  const [ofOrder, values, ofNames] = readCursor(cursor)
  if (JSON.stringify(ofOrder) !== JSON.stringify(order) || ofNames.length !== names) {
    throw new QueryError('This cursor is of another question or another order. Ask for the first page again, without "after".', {
      given: cursor.slice(0, 40),
    })
  }
  return { values, names: ofNames }
}

function readCursor(cursor: string): [unknown, (Amount | string)[], string[]] {
  try {
    const data = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown
    if (!Array.isArray(data)) throw new TypeError('no list')
    const [order, values, names] = data as [unknown, unknown[], unknown[]]
    return [order, values.map(readValue), names.map(String)]
  } catch {
    throw new QueryError('"after" is no cursor. Give the text of "next" in the meta data of the page before.', {
      given: cursor.slice(0, 40),
    })
  }
}

function readValue(value: unknown): Amount | string {
  if (value === null || typeof value === 'number' || typeof value === 'string') return value
  return BigInt((value as { nano: string }).nano)
}
