import type { DayUsers } from './user-days.ts'

/**
 * Requests of users over some of the windows that follow each other in time: as it moves on, what comes in is added and what
 * falls out is taken off, so that many instants cost hardly more than one.
 */
export class MovingSum {
  /** By user id; calls without a user are not counted. */
  readonly #byUser: Float64Array
  readonly #windows: readonly (readonly DayUsers[])[]
  #from = 0
  #to = 0

  /** `lastId`: no user has a higher id. */
  constructor(windows: readonly (readonly DayUsers[])[], lastId: number) {
    this.#windows = windows
    this.#byUser = new Float64Array(lastId + 1)
  }

  /** The sums over the windows of [from, to), by user id; neither bound may go back. */
  moveTo(from: number, to: number): Float64Array {
    for (; this.#to < to; this.#to++) this.#add(this.#to, 1)
    for (; this.#from < from; this.#from++) this.#add(this.#from, -1)
    return this.#byUser.slice()
  }

  #add(window: number, sign: 1 | -1): void {
    const sums = this.#byUser
    for (const { userIds, requests } of this.#windows[window] ?? []) {
      for (let n = 0; n < userIds.length; n++) {
        const id = userIds[n] ?? 0
        sums[id] = (sums[id] ?? 0) + sign * (requests[n] ?? 0)
      }
    }
    sums[0] = 0
  }
}
