import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, describe, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const path = join(folder, 'traits.db')
const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path])
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

describe('spanledger traits', () => {
  it('brings in a table of users, and splits reports by what held then or holds now', async () => {
    await writeLedger(path, [
      { at: '2026-01-05T10:00:00Z', user: 'ada' },
      { at: '2026-01-20T10:00:00Z', user: 'ada' },
      { at: '2026-01-06T10:00:00Z', user: 'bob' },
    ])
    const table = file(
      'users.csv',
      'User,valid_from,Plan,Region\nada,2026-01-01,free,"Europe, west"\nada,2026-01-10T00:00:00Z,pro,\nbob,,free,\n,2026-01-01,pro,\neve,yesterday,pro,\nada,2026-01-01\n',
    )
    expect(await ask('traits', 'import', table)).toEqual({
      code: 0,
      out: '',
      err: [
        'line 5 is left out: no user',
        'line 6 is left out: "yesterday" is no date or instant',
        'line 7 is left out: 2 cells, the header has 4',
        'Traits: 4 written, 0 known already, 0 refused (no user id, name or time), 3 lines left out.',
        '',
      ].join('\n'),
    })
    expect((await ask('traits', 'import', table)).err).toContain('Traits: 0 written, 4 known already')
    expect((await ask('traits', 'list', '--format', 'csv')).out).toBe(
      'trait,users,values,last_valid_from\r\nPlan,2,2,2026-01-10T00:00:00.000Z\r\nRegion,1,1,2026-01-01T00:00:00.000Z\r\n',
    )
    const report = async (...args: string[]): Promise<string> =>
      (await ask('report', 'properties', '--by', 'trait:plan', '--columns', 'plan,requests', '--format', 'csv', ...args)).out
    expect(await report()).toBe('plan,requests\r\nfree,2\r\npro,1\r\n')
    expect(await report('--traits', 'current')).toBe('plan,requests\r\npro,2\r\nfree,1\r\n')
    expect(await report('--where', 'trait:region = "Europe, west"')).toBe('plan,requests\r\nfree,1\r\npro,1\r\n')
  })

  it('says what is wrong with a file', async () => {
    await writeLedger(path, [])
    expect((await ask('traits', 'import', file('none.csv', 'name,plan\nada,pro\n'))).err).toContain('names no user: it is name, plan')
    expect(await ask('traits', 'import', file('empty.csv', ''))).toMatchObject({ code: 1 })
    expect((await ask('traits', 'import', join(folder, 'nowhere.csv'))).err).toContain('There is no file')
    expect((await run(['traits', 'import', file('good.csv', 'user,plan\nada,pro\n'), '--store', join(folder, 'nowhere.db')])).code).toBe(2)
    expect((await ask('report', 'properties', '--by', 'trait:plan', '--traits', 'then')).code).toBe(2)
  })
})
