import fc from 'fast-check'
import { expect, it } from 'vitest'

import { inCountedSteps, inSteps } from '../src/sqlite/in-steps.ts'
import { openSqlite, type Sqlite } from '../src/sqlite/sqlite.ts'

async function callsAt(starts: readonly number[]): Promise<Sqlite> {
  const db = await openSqlite(':memory:', 'write')
  await db.exec(
    'CREATE TABLE llm_calls (start_ms INTEGER NOT NULL, span_id INTEGER PRIMARY KEY); CREATE INDEX by_start ON llm_calls (start_ms)',
  )
  await db.run('INSERT INTO llm_calls (start_ms) SELECT value FROM json_each(?)', JSON.stringify(starts))
  return db
}

it('a time is cut into parts of no more calls than asked for, but for those of one millisecond', async () => {
  const starts = fc.array(fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(7, 500)), { maxLength: 200 })
  await fc.assert(
    fc.asyncProperty(starts, fc.integer({ min: 1, max: 20 }), async (calls, most) => {
      const db = await callsAt(calls)
      const covered: number[] = []
      for await (const { fromMs, toMs } of inCountedSteps(db, 0, 1001, most)) {
        const within = calls.filter((startMs) => startMs >= fromMs && startMs < toMs)
        expect(toMs - fromMs === 1 || within.length <= most).toBe(true)
        covered.push(...within)
      }
      await db.close()
      expect(covered.sort((a, b) => a - b)).toEqual(calls.toSorted((a, b) => a - b))
    }),
  )
})

it('after a part with far too many calls the next is as short as it must be, not half as long', () => {
  const steps = inSteps(0, 86_400_000, 2000)
  const first = steps.next()
  if (first.done === true) throw new Error('there is no first part')
  first.value.take(600_000)
  const second = steps.next()
  if (second.done === true) throw new Error('there is no second part')
  expect(second.value.toMs - second.value.fromMs).toBe(200)
})
