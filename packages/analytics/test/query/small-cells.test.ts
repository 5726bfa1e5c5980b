import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { cellsToHide, type Cell } from '../../src/query/small-cells.ts'

const MIN_USERS = 5

/** A cell of so many users, who are in no other. */
function cellsOf(...users: number[]): Cell[] {
  let next = 0
  return users.map((count) => ({ users: count, who: new Set(Array.from({ length: count }, () => next++)) }))
}

const hide = (cells: readonly Cell[], sums: readonly (readonly number[])[] = []): number[] | undefined => {
  const hidden = cellsToHide({ cells, sums }, MIN_USERS)
  return hidden === undefined ? undefined : [...hidden].toSorted((a, b) => a - b)
}

describe('cells of few users', () => {
  it('are hidden, and where it is one also the next smallest: else the total would tell it', () => {
    expect(hide(cellsOf(9, 7, 2, 30))).toEqual([1, 2])
  })

  it('hide each other where they are of enough users together', () => {
    expect(hide(cellsOf(9, 2, 3, 30))).toEqual([1, 2])
    expect(hide(cellsOf(9, 2, 2, 30))).toEqual([0, 1, 2])
  })

  it('of the same users are no more users', () => {
    const same = new Set([1, 2, 3])
    expect(hide([{ users: 3, who: same }, { users: 3, who: same }, ...cellsOf(8, 9)])).toEqual([0, 1, 2])
  })

  it('need nothing where there are none, and cannot be hidden alone', () => {
    expect(hide(cellsOf(5, 6))).toEqual([])
    expect(hide([])).toEqual([])
    expect(hide(cellsOf(4))).toBeUndefined()
    expect(hide(cellsOf(2, 2))).toBeUndefined()
  })

  it('may be very many: a long tail is hidden as one, and from the lines of a table as far as these can be reckoned with', () => {
    const tail = Array.from({ length: 3000 }, () => 1)
    expect(hide(cellsOf(40, ...tail, 30))).toHaveLength(3000)
    const halves = [tail.map((_, n) => n).slice(0, 1500), tail.map((_, n) => n).slice(1500)]
    expect(hide(cellsOf(...tail), halves)).toBeUndefined()
  })

  it('of a table with two dimensions are hidden in their row and in their column', () => {
    // Three by three; one small cell in the middle.
    const rows = [0, 3, 6].map((n) => [n, n + 1, n + 2])
    const columns = [0, 1, 2].map((n) => [n, n + 3, n + 6])
    expect(hide(cellsOf(20, 21, 22, 23, 2, 24, 25, 26, 27), [...rows, ...columns])).toEqual([0, 1, 3, 4])
  })
})

/** Whether a system of sums of unknown numbers tells one of them: whether its unit vector is a combination of the sums. */
function tells(position: number, sums: readonly (readonly number[])[], hidden: readonly number[]): boolean {
  const column = new Map(hidden.map((n, at) => [n, at]))
  const vectorOf = (positions: readonly number[]): number[] => {
    const vector = hidden.map(() => 0)
    for (const n of positions) {
      const at = column.get(n)
      if (at !== undefined) vector[at] = 1
    }
    return vector
  }
  const matrix = sums.map(vectorOf)
  return rankOf([...matrix, vectorOf([position])]) === rankOf(matrix)
}

/** By elimination. */
function rankOf(matrix: readonly (readonly number[])[]): number {
  const rows = matrix.map((row) => [...row])
  let rank = 0
  for (let column = 0; column < (rows[0]?.length ?? 0); column++) {
    const pivot = rows.findIndex((row, n) => n >= rank && Math.abs(row[column] ?? 0) > 1e-9)
    if (pivot === -1) continue
    const [one, other] = [rows[rank] ?? [], rows[pivot] ?? []]
    rows[rank] = other
    rows[pivot] = one
    for (const [n, row] of rows.entries()) {
      if (n === rank || Math.abs(row[column] ?? 0) < 1e-9) continue
      const factor = (row[column] ?? 0) / (other[column] ?? 1)
      for (let at = column; at < row.length; at++) row[at] = (row[at] ?? 0) - factor * (other[at] ?? 0)
    }
    rank++
  }
  return rank
}

describe('whatever the table', () => {
  const table = fc.record({
    width: fc.integer({ min: 2, max: 6 }),
    users: fc.array(fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 40 })), { minLength: 6, maxLength: 30 }),
    absent: fc.array(fc.nat(29), { maxLength: 6 }),
  })

  it('no cell of few users can be reckoned from the total, nor from the totals of rows and columns', () => {
    let unhidden = 0
    fc.assert(
      fc.property(table, ({ width, users, absent }) => {
        const places = users.flatMap((_, n) => (absent.includes(n) ? [] : [n]))
        const cells = cellsOf(...places.map((n) => users[n] ?? 1))
        const linesBy = (lineOf: (place: number) => number): number[][] => {
          const lines = new Map<number, number[]>()
          for (const [n, place] of places.entries()) lines.set(lineOf(place), [...(lines.get(lineOf(place)) ?? []), n])
          // The totals of lines that are themselves of few users are not told.
          return [...lines.values()].filter((line) => line.reduce((sum, n) => sum + (cells[n]?.users ?? 0), 0) >= MIN_USERS)
        }
        const sums = [...linesBy((place) => Math.floor(place / width)), ...linesBy((place) => place % width)]
        const hidden = cellsToHide({ cells, sums }, MIN_USERS)
        if (hidden === undefined) {
          unhidden++
          return
        }
        const all = [...cells.keys()]
        for (const n of all.filter((one) => (cells[one]?.users ?? 0) < MIN_USERS)) {
          expect(hidden.has(n)).toBe(true)
          expect(tells(n, [all, ...sums], [...hidden])).toBe(false)
        }
      }),
      { numRuns: 3000, seed: 7 },
    )
    // Some tables cannot be hidden so, most can.
    expect(unhidden).toBeLessThan(1000)
  })
})
