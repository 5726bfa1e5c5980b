/** What each of some users has, by id. */
export interface ByUser<Value> extends Iterable<readonly [userId: number, value: Value]> {
  readonly size: number
  get(userId: number): Value | undefined
}

/** One of a few values for each of many users: a byte each, as there may be hundreds of instants of them. Ids of a dictionary table are dense. */
export class FewByUser<Value> implements ByUser<Value> {
  readonly #values: readonly Value[]
  /** The position of a user's value, and 1; 0 for none. */
  readonly #places: Uint8Array

  constructor(values: readonly Value[], places: Uint8Array) {
    this.#values = values
    this.#places = places
  }

  /** What `valueOf` says of the users up to an id; undefined for nothing. */
  static from<Value>(values: readonly Value[], lastId: number, valueOf: (userId: number) => Value | undefined): FewByUser<Value> {
    const places = new Uint8Array(lastId + 1)
    for (let userId = 0; userId <= lastId; userId++) {
      const value = valueOf(userId)
      if (value !== undefined) places[userId] = values.indexOf(value) + 1
    }
    return new FewByUser(values, places)
  }

  get size(): number {
    let size = 0
    for (const place of this.#places) if (place > 0) size++
    return size
  }

  get(userId: number): Value | undefined {
    return this.#values[(this.#places[userId] ?? 0) - 1]
  }

  /** Other values in the places of these. */
  map<Other>(to: (value: Value) => Other): FewByUser<Other> {
    return new FewByUser(this.#values.map(to), this.#places)
  }

  *[Symbol.iterator](): Generator<readonly [number, Value]> {
    for (let userId = 0; userId < this.#places.length; userId++) {
      const value = this.get(userId)
      if (value !== undefined) yield [userId, value]
    }
  }
}
