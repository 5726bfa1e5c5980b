import fc from 'fast-check'
import { expect, it } from 'vitest'

import { UserSet } from '../../src/sums/user-set.ts'

const ids = fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 2_000_000 })), {
  maxLength: 3000,
  size: 'max',
})
const part = fc.oneof(
  fc.record({ list: ids }),
  fc.record({ oneByOne: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 500, size: 'max' }) }),
  fc.record({ merged: fc.tuple(ids, ids) }),
)

it('a set of users has as many as there are, however they came', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const set = new UserSet()
      const expected = new Set<number>()
      const add = (some: readonly number[]): void => some.forEach((id) => expected.add(id))
      for (const one of parts) {
        if ('list' in one) {
          set.add(one.list)
          add(one.list)
        } else if ('oneByOne' in one) {
          for (const id of one.oneByOne) set.addOne(id)
          add(one.oneByOne)
        } else {
          const other = new UserSet()
          for (const some of one.merged) {
            other.add(some)
            add(some)
          }
          set.merge(other)
        }
        expect(set.size).toBe(expected.size)
      }
    }),
    { numRuns: 60 },
  )
})
