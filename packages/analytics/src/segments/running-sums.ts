import type { DayUsers } from './user-days.ts'

/** Requests of users in windows that follow each other, so that those from one to another are found without adding up. */
export class RunningSums {
  /** Each once; calls without a user are not among them. */
  readonly userIds: readonly number[]
  /** Where the rows of a user begin; those of the next begin where they end. */
  readonly #from: Int32Array
  readonly #windows: Int32Array
  /** Requests of all rows before the n-th. */
  readonly #before: Float64Array

  constructor(windows: readonly (readonly DayUsers[])[]) {
    const perUser = rowsOfUsers(windows)
    this.#from = new Int32Array(perUser.length + 1)
    for (let id = 0; id < perUser.length; id++) this.#from[id + 1] = (this.#from[id] ?? 0) + (perUser[id] ?? 0)
    const rows = this.#from[perUser.length] ?? 0
    this.#windows = new Int32Array(rows)
    const requests = new Float64Array(rows)
    const next = this.#from.slice()
    for (const [window, days] of windows.entries())
      for (const day of days)
        for (let n = 0; n < day.userIds.length; n++) {
          const id = day.userIds[n] ?? 0
          const at = next[id] ?? 0
          next[id] = at + 1
          this.#windows[at] = window
          requests[at] = day.requests[n] ?? 0
        }
    this.#before = new Float64Array(rows + 1)
    for (let n = 0; n < rows; n++) this.#before[n + 1] = (this.#before[n] ?? 0) + (requests[n] ?? 0)
    this.userIds = Array.from(perUser.keys()).filter((id) => id !== 0 && (perUser[id] ?? 0) > 0)
  }

  /** The requests of a user in the windows of [from, to). */
  between(userId: number, from: number, to: number): number {
    return (this.#before[this.#firstIn(userId, to)] ?? 0) - (this.#before[this.#firstIn(userId, from)] ?? 0)
  }

  /** The first row of a user that is not in a window before `window`. */
  #firstIn(userId: number, window: number): number {
    let low = this.#from[userId] ?? 0
    let high = this.#from[userId + 1] ?? low
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#windows[middle] ?? 0) < window) low = middle + 1
      else high = middle
    }
    return low
  }
}

function rowsOfUsers(windows: readonly (readonly DayUsers[])[]): Int32Array {
  let most = 0
  for (const { userIds } of windows.flat()) for (let n = 0; n < userIds.length; n++) most = Math.max(most, userIds[n] ?? 0)
  const rows = new Int32Array(most + 1)
  for (const { userIds } of windows.flat())
    for (let n = 0; n < userIds.length; n++) {
      const id = userIds[n] ?? 0
      rows[id] = (rows[id] ?? 0) + 1
    }
  return rows
}
