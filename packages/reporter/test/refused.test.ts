import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
beforeAll(() => writeLedger(path, [{ at: '2026-01-05T10:00:00Z', user: 'ada', properties: { plan: 'pro' } }]))
afterAll(() => rmSync(folder, { recursive: true }))

const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path])

it.each([
  ['a threshold on what every object has', ['--fail-on', '__proto__ > 1'], 'unknown number "__proto__"'],
  ['a threshold that is no comparison', ['--fail-on', 'cost_usd'], 'Cannot read --fail-on "cost_usd"'],
  ['an empty filter', ['--where', ''], '--where is empty'],
  ['an empty filter on rows', ['--having', ''], '--having is empty'],
  ['no columns', ['--columns', ''], '--columns is empty'],
  ['a dimension that every object has', ['--by', 'constructor'], '"constructor" cannot be the name of a property'],
  ['an instant that no ledger reaches', ['--as-of', '9999-12-31'], 'A ledger holds calls from 1970 to 2199'],
])('%s is refused before anything is written', async (_what, args, says) => {
  const { code, out, err } = await ask('report', args.includes('--by') ? 'properties' : 'models', '--format', 'csv', ...args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(says)
  expect(err).not.toMatch(/native code|\[object|\n\s+at /)
})

it('a threshold on rows that cannot be added up is that of any row, which is named', async () => {
  const active = (...args: string[]): ReturnType<typeof run> =>
    ask('report', 'active', '--since', '2026-01-04', '--until', '2026-01-06', '--format', 'csv', ...args)
  const { code, err } = await active('--fail-on', 'dau > 0 and wau < 5')
  expect([code, err]).toEqual([5, expect.stringContaining('Threshold tripped: dau is 1 and wau is 1 where date is 2026-01-05')])
  expect((await active('--fail-on', 'dau > 1')).code).toBe(0)
  expect((await active('--fail-on', 'not stickiness > 7')).code).toBe(5)
  const unknown = await active('--fail-on', 'date > 1')
  expect(unknown).toMatchObject({ code: 2, out: '' })
  expect(unknown.err).toContain('unknown number "date". Allowed: of any listed row: dau, wau, mau, stickiness, wau_mau.')
})

it('a threshold looks at all rows, also at those that are not shown', async () => {
  const many = join(folder, 'many.db')
  // The last of sixty days has two users.
  const calls = Array.from({ length: 60 }, (_, n) => ({ at: new Date(Date.UTC(2026, 0, 1 + n, 10)).toISOString(), user: 'ada' }))
  await writeLedger(many, [...calls, { at: '2026-03-01T11:00:00Z', user: 'bob' }])
  const codes: (number | null)[] = []
  for (const format of ['table', 'md', 'html', 'json', 'csv']) {
    const { code } = await run([
      'report',
      'active',
      '--fail-on',
      'dau > 1',
      '--format',
      format,
      '--store',
      many,
      '--as-of',
      '2026-03-02T00:00:00Z',
    ])
    codes.push(code)
  }
  expect(codes).toEqual([5, 5, 5, 5, 5])
})

it.each([
  [['report', 'users', '--sort', 'cost_usd:sideways'], '--sort cost_usd:sideways: a column is sorted asc or desc, not sideways.'],
  [['report', 'users', '--where', 'has_done feature = chat'], 'has_done takes a filter in parentheses'],
  [['report', 'users', '--tz', 'Amerika/New_York'], 'Did you mean "America/New_York"?'],
])('%j says what is wrong', async (args, says) => {
  expect(await ask(...args)).toMatchObject({ code: 2, err: expect.stringContaining(says) as unknown })
})

it("a name with two letters in each other's place is near the one that was meant", async () => {
  const { code, err } = await ask('report', 'models', '--where', 'paln = pro')
  expect([code, err]).toEqual([2, expect.stringContaining('Unknown name "paln". Did you mean "plan"?')])
})

it('a backup is for its owner only, and says what is wrong with its folder', async () => {
  const copy = join(folder, 'copy.db')
  expect((await ask('backup', copy)).code).toBe(0)
  expect(statSync(copy).mode & 0o777).toBe(0o600)
  const { code, err } = await ask('backup', join(folder, 'nowhere', 'copy.db'))
  expect([code, err]).toEqual([1, expect.stringContaining('Its folder must exist and be writable')])
})

it('a file to which nothing was written is no ledger', async () => {
  const empty = join(folder, 'empty.db')
  writeFileSync(empty, '')
  const { code, err } = await run(['report', 'models', '--store', empty])
  expect([code, err]).toEqual([1, expect.stringContaining('is empty')])
})
