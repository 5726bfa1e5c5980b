import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeEach, describe, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))

let ledgers = 0
let path = ''
beforeEach(async () => {
  path = await writeLedger(join(folder, `${ledgers++}.db`), [
    { at: '2026-01-05T10:00:00Z', user: 'anon-ada-lovelace', session: 's-1' },
    { at: '2026-01-06T10:00:00Z', user: 'ada-lovelace', session: 's-1' },
    { at: '2026-01-07T10:00:00Z', user: 'bob' },
  ])
})

const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path])
const users = async (): Promise<string> =>
  (await ask('report', 'users', '--columns', 'user,requests,cost_usd', '--format', 'csv', '--no-header')).out

describe('spanledger erase', () => {
  it('shows what there is, takes it out, leaves what it cost, and says so', async () => {
    await ask('alias', 'anon-ada-lovelace', 'ada-lovelace')
    expect(await ask('erase', 'ada-lovelace', '--dry-run')).toEqual({
      code: 0,
      out: '',
      err: '"ada-lovelace", "anon-ada-lovelace": 2 calls, 0 payments, 0 events, 0 traits. Nothing was changed.\n',
    })
    expect(await users()).toBe('ada-lovelace,2,0.005000000\r\nbob,1,0.002500000\r\n')
    const { code, out, err } = await ask('erase', 'anon-ada-lovelace')
    expect([code, out]).toEqual([0, ''])
    expect(err).toContain("2 calls and 0 payments are nobody's now")
    expect(err).toContain('Nothing of it is left in')
    expect(await users()).toBe('(none),2,0.005000000\r\nbob,1,0.002500000\r\n')
    expect(readFileSync(path).includes('ada-lovelace')).toBe(false)
    expect((await ask('erase', 'ada-lovelace')).err).toContain('The ledger holds nothing of "ada-lovelace"')
    expect((await ask('verify')).code).toBe(0)
  })

  it('answers as JSON', async () => {
    const { out } = await ask('erase', 'bob', '--json', '--no-vacuum')
    expect(JSON.parse(out)).toEqual({
      schema: 'erase/v1',
      params: { dry_run: false },
      users: ['bob'],
      calls: 1,
      events: 0,
      payments: 0,
      traits: 0,
      vacuumed: false,
      reason: 'it was not asked for',
    })
  })

  it.each([
    [['erase', '(none)'], 'is no user id'],
    [['erase'], "missing required argument 'user'"],
    [['privacy', 'opt-out', 'add', ''], 'is no user id'],
    [['privacy', 'opt-out', 'check', 'a\nb'], 'is no user id'],
    [['privacy', 'report', '--last', '7d'], 'the ledger as it is'],
  ])('%j is refused: %s', async (args, says) => {
    const { code, err } = await ask(...args)
    expect([code, err.includes(says)]).toEqual([2, true])
  })

  it('makes no ledger where there is none', async () => {
    const { code, err } = await run(['erase', 'bob', '--store', join(folder, 'none.db')])
    expect(code).toBe(2)
    expect(err).toContain('There is no ledger at')
  })
})

describe('spanledger privacy', () => {
  it('opts a user out, says so, lists it by a hash, and takes it back', async () => {
    expect((await ask('privacy', 'opt-out', 'check', 'bob')).code).toBe(3)
    expect((await ask('privacy', 'opt-out', 'add', 'bob')).err).toContain("is nobody's from now on")
    expect((await ask('privacy', 'opt-out', 'add', 'bob')).err).toContain('has opted out already')
    const checked = await ask('privacy', 'opt-out', 'check', 'bob')
    expect([checked.code, checked.err]).toEqual([0, expect.stringMatching(/^"bob" has opted out since 20\d\d-/)])
    const listed = await ask('privacy', 'opt-out', 'list', '--json')
    expect(JSON.parse(listed.out)).toEqual({
      schema: 'opt_outs/v1',
      rows: [{ id: expect.stringMatching(/^[0-9a-f]{12}$/), since: expect.stringMatching(/Z$/) }],
    })
    expect((await ask('privacy', 'report', '--format', 'csv')).out).toContain('opt_out,opted out,1,,')
    expect((await ask('privacy', 'opt-out', 'remove', 'bob')).err).toContain('is kept again')
    expect((await ask('privacy', 'opt-out', 'remove', 'bob')).err).toContain('has not opted out')
    expect((await ask('privacy', 'opt-out', 'check', 'bob')).code).toBe(3)
  })
})
