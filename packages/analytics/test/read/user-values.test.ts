import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openFrame, type Frame } from '../../src/read/frame.ts'
import { readUserValues } from '../../src/read/read-user-values.ts'
import { backwards } from '../../src/query/period.ts'
import { ledgerOf } from '../ledger.ts'
import { readPlainCalls, type PlainCall } from '../naive.ts'
import { AS_OF, randomCalls } from '../random-ledger.ts'

const DAY = 86_400_000
let store: Store
let plain: PlainCall[]
let frame: Frame
let ids: Map<string, number>
beforeAll(async () => {
  store = await ledgerOf(randomCalls)
  plain = await readPlainCalls(store)
  frame = await openFrame(store, { asOfMs: AS_OF, timeZone: 'UTC' }, { by: [], where: undefined })
  const users = await store.all<{ id: number; name: string }>('SELECT user_id AS id, name FROM users WHERE user_id <> 0')
  ids = new Map(users.map(({ id, name }) => [name, id]))
})
afterAll(() => store.close())

/** Values that are none. */
const none = new Set(['', '(none)'])

/** A user's value on the last or first call that has one, and is not empty. */
function naive(user: string, name: string, { which, beforeMs }: { which: 'first' | 'latest'; beforeMs: number }): string | undefined {
  const own = plain.filter((call) => call.user === user && call.startMs < beforeMs && !none.has(call.properties[name] ?? ''))
  const inOrder = own.toSorted((a, b) => a.startMs - b.startMs)
  return (which === 'first' ? inOrder.at(0) : inOrder.at(-1))?.properties[name]
}

it('the latest values of some users, looked for from the end, are those that all calls have, and so are the first ones', async () => {
  const names = ['plan', 'feature', 'tenant', 'nothing']
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        name: fc.constantFrom(...names),
        which: fc.constantFrom('first' as const, 'latest' as const),
        beforeMs: fc.integer({ min: AS_OF - 101 * DAY, max: AS_OF }),
        some: fc.option(fc.subarray(['ada', 'bob', 'eve', 'Zoë 😀']), { nil: undefined }),
      }),
      async ({ name, which, beforeMs, some }) => {
        const users = some ?? [...ids.keys()]
        const userIds = some?.map((user) => ids.get(user) ?? 0)
        const found = await readUserValues(frame, [name], { which, beforeMs, ...(userIds === undefined ? {} : { userIds }) })
        for (const user of users) expect([user, found.get(ids.get(user) ?? 0)]).toEqual([user, naive(user, name, { which, beforeMs })])
      },
    ),
    { numRuns: 100 },
  )
})

it('a period backwards is in parts that lie side by side, each twice as long as the one before, and whole together', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: AS_OF }), fc.integer({ min: -DAY, max: 900 * DAY }), (fromMs, length) => {
      const parts = [...backwards({ fromMs, toMs: fromMs + length })]
      let end = fromMs + length
      for (const [n, part] of parts.entries()) {
        expect(part.toMs).toBe(end)
        expect(part.toMs - part.fromMs).toBe(Math.min(7 * DAY * 2 ** n, end - fromMs))
        end = part.fromMs
      }
      expect(end).toBe(length <= 0 ? fromMs + length : fromMs)
    }),
  )
})
