import fc from 'fast-check'
import { expect, it } from 'vitest'

import { dateOf, dayOf } from '../../src/behavior/user-history.ts'
import { billingMonth } from '../../src/segments/billing-month.ts'

it.each([
  [1, '2026-03-20', '2026-03-01', '2026-04-01'],
  [20, '2026-03-20', '2026-03-20', '2026-04-20'],
  [21, '2026-03-20', '2026-02-21', '2026-03-21'],
  [31, '2026-02-27', '2026-01-31', '2026-02-28'],
  [31, '2026-02-28', '2026-02-28', '2026-03-31'],
  [30, '2028-02-29', '2028-02-29', '2028-03-30'],
  [15, '2026-01-03', '2025-12-15', '2026-01-15'],
])('of months that begin on the %ith the one that holds %s is from %s until %s', (anchorDay, today, from, until) => {
  const month = billingMonth(anchorDay, dayOf(today))
  expect([dateOf(month.from), dateOf(month.until)]).toEqual([from, until])
})

it('months follow each other without a gap, and each holds its days', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 0, max: 40_000 }), (anchorDay, today) => {
      const month = billingMonth(anchorDay, today)
      expect(month.from <= today && today < month.until).toBe(true)
      expect(billingMonth(anchorDay, month.until).from).toBe(month.until)
    }),
  )
})
