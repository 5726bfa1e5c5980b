/** A place in the tree of all sequences of pairs: what leads here was read into `read`. */
export interface Step<Read> {
  read: Read | undefined
  /** By name and value of the next pair. */
  readonly next: Map<string, Map<unknown, Step<Read>>>
}

/** Longer texts are not remembered: they are seldom said twice, and somebody else's may be long. */
const MAX_REMEMBERED_LENGTH = 64
/** Of a sequence; a call keeps no more properties. */
const MAX_PAIRS = 64
/** As many are remembered; then all are forgotten, so that values of which each comes once cost no memory. */
const MAX_STEPS = 2000
/**
 * Where most sequences come once, only one of so many is remembered: each takes a kilobyte, and outlives its call for nothing. A prime
 * number, so that of sequences that come in turns none is passed over always.
 */
const LEARN_ONE_OF = 17

/**
 * Remembers what sequences of `[name, value]` pairs were read into. Apps attach few different sets of properties, each to many
 * calls: so each is read once, and is in memory once for all the calls that wait to be written.
 */
export class KnownPairs<Read> {
  #root: Step<Read> = newStep()
  #steps = 0
  /** How many were looked for since all was forgotten, and how many of them were not there. */
  #asked = 0
  #unknown = 0
  #learnOneOf = 1

  /** @returns the place of a sequence, whose `read` the caller fills; undefined for a sequence that is not remembered */
  find(pairs: readonly (readonly [name: string, value: unknown])[]): Step<Read> | undefined {
    if (pairs.length > MAX_PAIRS) return undefined
    this.#asked++
    let step = this.#root
    let isKnown = true
    for (const [name, value] of pairs) {
      let next = step.next.get(name)?.get(value)
      if (next === undefined) {
        if (isKnown && this.#unknown++ % this.#learnOneOf !== 0) return undefined
        isKnown = false
        next = this.#add(step, name, value)
        if (next === undefined) return undefined
      }
      step = next
    }
    return step
  }

  #add(step: Step<Read>, name: string, value: unknown): Step<Read> | undefined {
    if (name.length > MAX_REMEMBERED_LENGTH || !isRemembered(value)) return undefined
    if (this.#steps >= MAX_STEPS) {
      this.#forget()
      return undefined
    }
    this.#steps++
    const added = newStep<Read>()
    const byValue = step.next.get(name)
    if (byValue === undefined) step.next.set(name, new Map([[value, added]]))
    else byValue.set(value, added)
    return added
  }

  #forget(): void {
    this.#learnOneOf = this.#unknown * 2 > this.#asked ? LEARN_ONE_OF : 1
    this.#root = newStep()
    this.#steps = 0
    this.#asked = 0
    this.#unknown = 0
  }
}

/** Objects may change behind the same reference. */
function isRemembered(value: unknown): boolean {
  return typeof value === 'string' ? value.length <= MAX_REMEMBERED_LENGTH : typeof value === 'number' || typeof value === 'boolean'
}

function newStep<Read>(): Step<Read> {
  return { read: undefined, next: new Map() }
}
