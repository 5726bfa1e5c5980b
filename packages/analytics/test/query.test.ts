import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics } from '../src/index.ts'
import { ledgerOf } from './ledger.ts'
import { figuresOf, groupCalls, passes, readPlainCalls, type PlainCall } from './naive.ts'
import { approximate, AS_OF, bys, exact, expectFigures, filters, periods, randomCalls, zones } from './random-ledger.ts'

let store: Store
let plain: PlainCall[]
beforeAll(async () => {
  store = await ledgerOf(randomCalls, { timeZone: 'Europe/Berlin' })
  plain = await readPlainCalls(store)
})
afterAll(() => store.close())

describe('any question', () => {
  it('has the answer that plain loops over all calls give, from whichever source it is read', async () => {
    await fc.assert(
      fc.asyncProperty(
        bys,
        fc.option(filters, { nil: undefined }),
        periods,
        fc.constantFrom(...zones),
        async (by, where, period, timeZone) => {
          const analytics = openAnalytics(store, { timeZone, now: () => AS_OF })
          const answer = await analytics.query({ metrics: [...exact, ...approximate], by, where, ...period })
          const [from, to] = [Date.parse(answer.meta.from), Math.min(Date.parse(answer.meta.to), AS_OF)]
          const inside = plain.filter((call) => call.startMs >= from && call.startMs < to && (where === undefined || passes(call, where)))
          const groups = groupCalls(inside, by, timeZone)
          const keys = answer.columns.slice(0, by.length).map(({ key }) => key)
          expect(answer.rows.map((row) => JSON.stringify(keys.map((key) => row[key]))).toSorted()).toEqual(
            by.length === 0 ? ['[]'] : [...groups.keys()].toSorted(),
          )
          for (const row of answer.rows)
            expectFigures(row, figuresOf(groups.get(JSON.stringify(keys.map((key) => row[key]))) ?? [], timeZone))
          expectFigures(answer.totals, figuresOf(inside, timeZone))
          expect(answer.meta).toMatchObject({
            requests: inside.length,
            users: new Set(inside.flatMap(({ user }) => user ?? [])).size,
            anonymous_share: inside.length === 0 ? null : inside.filter(({ user }) => user === null).length / inside.length,
            unpriced_requests: inside.filter(({ costNanoUsd }) => costNanoUsd === null).length,
          })
        },
      ),
      { numRuns: 150, seed: 11 },
    )
  })
})
