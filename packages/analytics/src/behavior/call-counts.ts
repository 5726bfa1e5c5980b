import { Numbers } from './numbers.ts'

/** What is counted over calls of users, in parts that add up. */
export interface CallCounts {
  /** Days on which users called, added up over users. */
  userDays: number
  /** How many users they were, where that was counted. */
  users?: number
  /** By quarter of an hour since 1970: zones differ by whole quarters. */
  readonly quarters: Map<number, number>
  readonly features: Map<number, number>
  readonly models: Map<number, number>
  readonly kinds: Map<number, number>
  /** Of each feature how long users waited, to the first token or else to the end. */
  readonly waits: Map<number, Numbers>
}

export function noCounts(): CallCounts {
  return { userDays: 0, quarters: new Map(), features: new Map(), models: new Map(), kinds: new Map(), waits: new Map() }
}

export function countUp(counts: Map<number, number>, key: number, times = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + times)
}

export function waitsOf({ waits }: CallCounts, featureId: number): Numbers {
  let own = waits.get(featureId)
  if (own === undefined) waits.set(featureId, (own = new Numbers()))
  return own
}

/** Counts the days of users from their calls, in the order of time. */
export class UserDays {
  #count = 0
  readonly #last = new Map<number, number>()
  /** The day before the last, where a clock was put back over midnight. */
  readonly #before = new Map<number, number>()

  add(userId: number, day: number): void {
    const last = this.#last.get(userId)
    if (last === day || (last !== undefined && day < last && this.#before.get(userId) === day)) return
    this.#count++
    if (last !== undefined && day < last) this.#before.set(userId, day)
    else {
      if (last !== undefined) this.#before.set(userId, last)
      this.#last.set(userId, day)
    }
  }

  get count(): number {
    return this.#count
  }

  get users(): number {
    return this.#last.size
  }
}
