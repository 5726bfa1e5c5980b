import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeEach, describe, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))

let ledgers = 0
let path = ''
beforeEach(async () => {
  path = await writeLedger(join(folder, `${ledgers++}.db`), [
    { at: '2026-01-05T10:00:00Z', user: 'anon-1', session: 's-1' },
    { at: '2026-01-06T10:00:00Z', user: 'ada', session: 's-1' },
    { at: '2026-01-07T10:00:00Z', user: 'bob' },
  ])
})

const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path])
const report = async (name: string): Promise<string> =>
  (
    await ask(
      'report',
      name,
      '--columns',
      name === 'users' ? 'user,requests,cost_usd,sessions,first_seen' : 'session,user,requests',
      '--format',
      'csv',
    )
  ).out

describe('spanledger alias', () => {
  it('merges two users in every report, says how to take that back, and takes it back', async () => {
    const before = [await report('users'), await report('sessions')]
    expect(await ask('alias', 'anon-1', 'ada')).toEqual({
      code: 0,
      out: '',
      err: '"anon-1" is "ada" from now on: 1 calls and 0 events. Taken back with: spanledger alias "anon-1" "ada" --undo\n',
    })
    expect(await report('users')).toBe(
      'user,requests,cost_usd,sessions,first_seen\r\nada,2,0.005000000,1,2026-01-05T10:00:00.000Z\r\nbob,1,0.002500000,0,2026-01-07T10:00:00.000Z\r\n',
    )
    expect(await report('sessions')).toContain('s-1,ada,2')
    // Who asks by the old name is shown whom it is.
    const asked = async (...args: string[]): Promise<string> =>
      (await ask('report', ...args, '--columns', 'user,requests', '--format', 'csv', '--no-header')).out
    expect(await asked('users', '--user', 'anon-1')).toBe('ada,2\r\n')
    expect(await asked('users', '--where', 'user != anon-1')).toBe('bob,1\r\n')
    expect(await asked('sessions', '--user', 'anon-1')).toBe('ada,2\r\n')
    expect((await ask('verify')).code).toBe(0)
    expect(await ask('alias', 'anon-1', 'ada')).toEqual({ code: 0, out: '', err: '"anon-1" is "ada" already. Nothing to do.\n' })
    expect((await ask('alias', 'anon-1', 'ada', '--undo')).err).toBe('"anon-1" is a user of its own again: 1 calls and 0 events.\n')
    expect([await report('users'), await report('sessions')]).toEqual(before)
    expect((await ask('alias', 'anon-1', 'ada', '--undo')).err).toBe('"anon-1" is no alias. Nothing to do.\n')
  })

  it('lists every alias ever made', async () => {
    await ask('alias', 'anon-1', 'ada')
    await ask('alias', 'anon-1', 'ada', '--undo')
    await ask('alias', 'anon-1', 'bob')
    const { out } = await ask('alias', '--format', 'csv')
    expect(out).toMatch(/^from,to,made_at,undone_at\r\nanon-1,bob,\S+Z,\r\nanon-1,ada,\S+Z,\S+Z\r\n$/)
  })

  it('is refused, with what to do, where it cannot be', async () => {
    await ask('alias', 'anon-1', 'ada')
    expect(await ask('alias', 'anon-1', 'bob')).toEqual({
      code: 2,
      out: '',
      err: 'spanledger: "anon-1" is an alias of "ada" already. Undo that first: spanledger alias "anon-1" "ada" --undo\n',
    })
    expect((await ask('alias', 'ada', 'anon-1')).code).toBe(2)
    expect((await ask('alias', 'ada')).err).toContain('Say whom "ada" is the same as')
    expect((await ask('alias', '--undo')).code).toBe(2)
    const nowhere = await run(['alias', 'a', 'b', '--store', join(folder, 'nowhere.db')])
    expect([nowhere.code, nowhere.err.includes('There is no ledger')]).toEqual([2, true])
  })
})
