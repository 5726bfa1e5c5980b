import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { openStore } from '@spanledger/store'
import { describe, expect, it, onTestFinished } from 'vitest'

import { drainSpool } from '@spanledger/exporter'

import { findFaults, readLines, tempFolder, tempLedger } from './ledger.ts'
import { runApp } from './run-app.ts'

describe('an app that ends', () => {
  it.each([
    { end: 'naturally', calls: 100, how: { code: 0, signal: null } },
    { end: 'by shutdown', calls: 100, how: { code: 0, signal: null } },
    { end: 'by SIGTERM', calls: 100, how: { code: null, signal: 'SIGTERM' } },
  ] as const)('$end has all its calls in the ledger', async ({ end, calls, how }) => {
    const path = tempLedger()
    expect(await runApp({ store: path, end, calls })).toEqual({ ...how, stdout: '', stderr: '' })
    expect(await readLines(path)).toHaveLength(calls)
  })

  it('by SIGTERM, which it handles itself, ends as it wants, and has all its calls in the ledger', async () => {
    const path = tempLedger()
    expect(await runApp({ store: path, end: 'by SIGTERM, which it handles', calls: 20 })).toEqual({
      code: 7,
      signal: null,
      stdout: '',
      stderr: '',
    })
    expect(await readLines(path)).toHaveLength(21)
  })

  it.each([
    { end: 'by process.exit', code: 0, error: '' },
    { end: 'by an uncaught error', code: 1, error: 'the app is broken' },
  ])('$end has all its calls in the spool', async ({ end, code, error }) => {
    const path = tempLedger()
    const ended = await runApp({ store: path, end, calls: 100 })
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toContain(error)
    expect(await drain(path)).toMatchObject({ calls: 100 })
    expect(await readLines(path)).toHaveLength(100)
  })

  it('while a span above its calls lives has their user in the spool', async () => {
    const path = tempLedger()
    await runApp({ store: path, end: 'naturally, within a span', calls: 3, user: 'ada' })
    expect((await readLines(path)).map((line) => line.user)).toEqual(['(none)', '(none)', '(none)'])
    await drain(path)
    expect((await readLines(path)).map((line) => line.user)).toEqual(['ada', 'ada', 'ada'])
  })

  it('with a call made when it was about to end has that in the ledger too', async () => {
    const path = tempLedger()
    const end = 'naturally, after a call that it makes last'
    expect(await runApp({ store: path, end, calls: 20 })).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    expect(await readLines(path)).toHaveLength(21)
  })

  it('ends by itself where neither the store nor the spool can be written', async () => {
    const file = join(tempFolder(), 'a-file')
    writeFileSync(file, '')
    const app = { store: join(file, 'ledger.db'), end: 'naturally, with a code of its own', calls: 20 }
    // One that does not end would keep a core busy long after the test has given up.
    const whileRunning = (child: ChildProcess): void => onTestFinished(() => void child.kill('SIGKILL'))
    expect(await runApp(app, { whileRunning })).toEqual({ code: 7, signal: null, stdout: '', stderr: '' })
    expect(readFileSync(file, 'utf8')).toBe('')
  })

  it('has its calls in the spool where that can be written only in the last moment', async () => {
    const file = join(tempFolder(), 'a-file')
    writeFileSync(file, '')
    const path = join(file, 'ledger.db')
    const end = 'naturally, having removed at the very end what was in the way'
    const whileRunning = (child: ChildProcess): void => onTestFinished(() => void child.kill('SIGKILL'))
    expect(await runApp({ store: path, end, calls: 20 }, { whileRunning })).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    expect(await drain(path)).toEqual({ files: 1, calls: 20 })
    expect(await readLines(path)).toHaveLength(20)
  })

  it('without a call leaves no file', async () => {
    const path = tempLedger()
    expect(await runApp({ store: path, end: 'naturally, with nothing to write' })).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    })
    expect([existsSync(path), existsSync(`${path}.spool`)]).toEqual([false, false])
  })

  it('after 10,000 calls in one go has 10,000 in the ledger', async () => {
    const path = tempLedger()
    expect(await runApp({ store: path, end: 'naturally', calls: 10_000 })).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    const store = await openStore({ path, readOnly: true })
    expect(await store.all('SELECT count(*) AS calls, sum(counted) AS counted FROM llm_calls')).toEqual([
      { calls: 10_000, counted: 10_000 },
    ])
    await store.close()
  })

  it('by SIGKILL at any moment has every call that a flush confirmed', async () => {
    for (const afterMs of [20, 50, 90, 140, 200]) {
      const path = tempLedger()
      const { stdout, signal } = await runApp(
        { store: path, end: 'never' },
        { whileRunning: (child) => child.stdout?.once('data', () => setTimeout(() => child.kill('SIGKILL'), afterMs)) },
      )
      expect(signal).toBe('SIGKILL')
      const confirmed = Number(stdout.trimEnd().split('\n').at(-1))
      expect((await readLines(path)).length).toBeGreaterThanOrEqual(confirmed)
      expect(await findFaults(path)).toEqual([])
    }
  })

  it('beside another on the same file loses nothing to it', async () => {
    const path = tempLedger()
    const app = { store: path, end: 'naturally', calls: 3000, options: { maxBatchCalls: 50 } }
    await Promise.all([runApp(app), runApp(app)])
    await drain(path)
    expect(await readLines(path)).toHaveLength(6000)
    expect(await findFaults(path)).toEqual([])
  })
})

async function drain(path: string): Promise<{ calls: number }> {
  const store = await openStore({ path })
  try {
    return await drainSpool(store)
  } finally {
    await store.close()
  }
}
