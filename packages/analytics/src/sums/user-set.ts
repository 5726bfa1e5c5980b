/** Fewer ids than this are kept as they came; more as bits. */
const FEW = 2048

/** Different users of a group of calls, exactly: what days have of them is put together without counting anybody twice. */
export class UserSet {
  /** Lists that each have no id twice; empty once there are bits. */
  #lists: ArrayLike<number>[] = []
  #bits: Uint32Array | undefined
  #listed = 0
  /** Ids that came one by one. */
  #own: Set<number> | undefined

  /** Adds ids, each once in the list. */
  add(ids: ArrayLike<number>): void {
    if (ids.length === 0) return
    if (this.#bits === undefined) {
      this.#lists.push(ids)
      this.#listed += ids.length
      if (this.#lists.length > 1 && this.#listed > FEW) this.#spread()
    } else this.#mark(ids)
  }

  /** Adds an id, whether or not it is there. */
  addOne(id: number): void {
    if (this.#bits === undefined) {
      const own = (this.#own ??= new Set())
      own.add(id)
      if (own.size + this.#listed > FEW) this.#spread()
    } else this.#markOne(id)
  }

  /** Adds what another has. */
  merge(other: UserSet): void {
    for (const ids of other.#lists) this.add(ids)
    if (other.#own !== undefined) this.add([...other.#own])
    if (other.#bits !== undefined) this.add(other.#ids())
  }

  get size(): number {
    if (this.#bits === undefined) {
      if (this.#own === undefined && this.#lists.length < 2) return this.#listed
      if (this.#own !== undefined && this.#lists.length === 0) return this.#own.size
      return new Set([...this.#lists.flatMap((ids) => Array.from(ids)), ...(this.#own ?? [])]).size
    }
    let size = 0
    for (const word of this.#bits) size += bitsOf(word)
    return size
  }

  #spread(): void {
    this.#bits = new Uint32Array(1024)
    for (const ids of this.#lists) this.#mark(ids)
    if (this.#own !== undefined) this.#mark([...this.#own])
    this.#lists = []
    this.#own = undefined
  }

  #mark(ids: ArrayLike<number>): void {
    for (let n = 0; n < ids.length; n++) this.#markOne(ids[n] ?? 0)
  }

  #markOne(id: number): void {
    const word = id >>> 5
    let bits = this.#bits ?? new Uint32Array(1024)
    if (word >= bits.length) {
      const longer = new Uint32Array(Math.max(word + 1, bits.length * 2))
      longer.set(bits)
      bits = longer
    }
    bits[word] = (bits[word] ?? 0) | (1 << (id & 31))
    this.#bits = bits
  }

  #ids(): number[] {
    const ids: number[] = []
    for (const [word, bits] of (this.#bits ?? []).entries()) {
      for (let rest = bits; rest !== 0; rest &= rest - 1) ids.push(word * 32 + (31 - Math.clz32(rest & -rest)))
    }
    return ids
  }
}

/** How many bits of a word are set. */
function bitsOf(word: number): number {
  let rest = word - ((word >>> 1) & 0x55555555)
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
