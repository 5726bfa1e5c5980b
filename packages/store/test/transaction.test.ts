import { describe, expect, it } from 'vitest'

import { inTurns } from '../src/sqlite/in-turns.ts'
import { sideBySide } from '../src/sqlite/side-by-side.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'

describe('a transaction', () => {
  it('whose statement SQLite answered by rolling back runs none of those that were waiting', async () => {
    const db = await openSqlite(':memory:', 'write')
    await db.exec('CREATE TABLE x (n UNIQUE)')
    const outcomes: Promise<unknown>[] = []
    const work = db.transaction(async () => {
      outcomes.push(db.run('INSERT INTO x VALUES (1)'))
      outcomes.push(db.run('INSERT OR ROLLBACK INTO x VALUES (1)'))
      outcomes.push(db.run('INSERT INTO x VALUES (2)'))
      await sideBySide(outcomes)
    })
    await expect(work).rejects.toThrow(/UNIQUE/)
    expect((await Promise.allSettled(outcomes)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(await db.all('SELECT n FROM x')).toEqual([])
    await db.transaction(() => db.run('INSERT INTO x VALUES (3)'))
    expect(await db.all('SELECT n FROM x')).toEqual([{ n: 3 }])
    await db.close()
  })
})

describe('work side by side', () => {
  it('is waited for to the last, also when some of it has failed', async () => {
    let isDone = false
    const slow = new Promise<void>((resolve) => void setImmediate(resolve)).then(() => void (isDone = true))
    await expect(sideBySide([Promise.reject(new Error('first')), slow, Promise.reject(new Error('second'))])).rejects.toThrow('first')
    expect(isDone).toBe(true)
  })
})

describe('work in turns', () => {
  it('takes every item once, in order, and lets the event loop turn in between', async () => {
    const items = Array.from({ length: 1000 }, (_, n) => n)
    const seen: number[] = []
    const seenAtTurns: number[] = []
    const watch = (): void => {
      seenAtTurns.push(seen.length)
      if (seen.length < items.length) setImmediate(watch)
    }
    setImmediate(watch)
    await inTurns(items, (run) => seen.push(...run))
    expect(seen).toEqual(items)
    expect(seenAtTurns.filter((length) => length < items.length).length).toBeGreaterThan(3)
  })
})
