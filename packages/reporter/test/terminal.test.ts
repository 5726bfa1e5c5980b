import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { sparkline } from '../src/format/sparkline.ts'
import { run, start, temporaryFolder, writeLedger, type SoldCall } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
const AS_OF = '2026-04-30T00:00:00Z'
const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path, '--as-of', AS_OF])

beforeAll(async () => {
  // Ada comes on each of six days and then no more, Bob on the second.
  const call = (day: number, user: string): SoldCall => ({ at: `2026-03-0${day}T10:00:00Z`, user, properties: { plan: 'pro' } })
  await writeLedger(path, [...[1, 2, 3, 4, 5, 6].map((day) => call(day, 'ada')), call(2, 'bob'), call(2, '--help')])
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the short names', () => {
  it('users and user ID answer as the reports do', async () => {
    expect(await ask('users', '--last', '90d', '--format', 'csv')).toEqual(await ask('report', 'users', '--last', '90d', '--format', 'csv'))
    expect(await ask('user', 'ada')).toEqual(await ask('report', 'user', '--user', 'ada'))
    expect((await run(['user', '--store', path, '--as-of', AS_OF, '--format', 'json', '--', '--help'])).out).toContain(
      '{"part":"user","name":"--help","requests":1,',
    )
  })

  it('user needs to be told whom', async () => {
    const { code, out, err } = await ask('user')
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain("missing required argument 'id'")
  })
})

describe('--json with columns', () => {
  it('has these columns and no others, in the whole answer', async () => {
    const { out } = await ask('users', '--json=user,requests', '--sort', 'requests:desc', '--limit', '1')
    const { columns, rows, totals } = JSON.parse(out) as { columns: { key: string }[]; rows: unknown[]; totals: unknown }
    expect(columns.map(({ key }) => key)).toEqual(['user', 'requests'])
    expect([rows, totals]).toEqual([[{ user: 'ada', requests: 6 }], { requests: 8 }])
  })

  it('needs the sign between, since a word behind it is a command', async () => {
    expect((await ask('--json', 'users')).out).toBe((await ask('users', '--format', 'json')).out)
  })

  it('refuses a column that is none, and says so where a command has none to choose from', async () => {
    const unknown = await ask('users', '--json=user,nosuch')
    expect([unknown.code, unknown.out]).toEqual([2, ''])
    expect(unknown.err).toContain('Unknown column "nosuch"')
    const verify = await run(['verify', '--json=user', '--store', path])
    expect(verify.code).toBe(2)
    expect(verify.err).toContain('--json without a list')
  })
})

describe('a table in a terminal', () => {
  it.each(['active', 'growth', 'forecast', 'cohorts', 'nps', 'thresholds', 'stickiness'])(
    'shows every column of %s, and each once',
    async (name) => {
      const [{ out, err }, json] = await Promise.all([ask('report', name), ask('report', name, '--json')])
      const { columns } = JSON.parse(json.out) as { columns: { label: string }[] }
      expect(columns.length).toBeGreaterThan(2)
      expect(out.split('\n')[0]?.split(/ {2,}/)).toEqual(columns.map(({ label }) => label))
      expect(err).not.toContain('more columns')
    },
  )

  it('shades cohorts where colours are wanted, with the digits in it, and nowhere else', async () => {
    const columns = ['report', 'cohorts', '--weeks', '1,2', '--columns', 'cohort,w1,w2']
    const plain = (await ask(...columns)).out
    expect(plain).toBe('Cohort    Week 1  Week 2\n2026-03  100.0 %   0.0 %\n')
    const colored = (await ask(...columns, '--color', 'always')).out
    expect(colored).toContain('\u001b[38;5;16;48;5;39m100.0 %\u001b[0m')
    expect(colored).toContain('\u001b[38;5;16;48;5;195m0.0 %\u001b[0m')
    // oxlint-disable-next-line no-control-regex -- the sequences that colour are what is taken out
    expect(colored.replaceAll(/\u001b\[[\d;]*m/g, '')).toBe(plain)
    expect((await run([...columns, '--store', path, '--as-of', AS_OF], { env: { NO_COLOR: '1', FORCE_COLOR: '1' } })).out).toBe(plain)
    expect((await ask(...columns, '--color', 'never')).out).toBe(plain)
  })

  it('leaves its head out where that is asked for', async () => {
    expect(
      (await ask('users', '--columns', 'user,requests', '--limit', '1', '--sort', 'requests:desc', '--no-header', '--no-other')).out,
    ).toBe('ada  6\n')
  })
})

it('a page has all days of a season, where a table has the first fifty rows', async () => {
  const [table, page] = await Promise.all([ask('report', 'active'), ask('report', 'active', '--format', 'html')])
  expect(table.out.match(/^2026-/gm)).toHaveLength(50)
  expect(page.out.match(/<tr><td>2026-/g)).toHaveLength(60)
})

describe('an overview', () => {
  const overview = (...args: string[]): ReturnType<typeof run> =>
    run(['report', 'overview', '--store', path, '--as-of', '2026-03-07T12:00:00Z', ...args])

  it('shows below it how its days went up to the end, also in ASCII', async () => {
    const { out } = await overview()
    expect(out.split('\n\n')[1]).toBe(
      [
        'The last 7 days',
        'By day       Trend    Least   Most',
        'Requests     ▃█▃▃▃▃▁  0       3',
        'Users        ▃█▃▃▃▃▁  0       3',
        'Cost         ▃█▃▃▃▃▁  $0      $0.0075',
        'Tokens       ▃█▃▃▃▃▁  0       3,000',
        'Error %      ▁▁▁▁▁▁   0.0 %   0.0 %',
        'Latency p95  ▁▁▁▁▁▁   100 ms  100 ms',
        '',
      ].join('\n'),
    )
    expect((await overview('--ascii')).out).toContain('Requests     -@----.  0       3')
    expect((await overview('--format', 'md')).out).toContain('| Requests | ▃█▃▃▃▃▁ | 0 | 3 |')
  })

  it('draws no days that have not come yet', async () => {
    const { out } = await overview('--since', '2026-03', '--until', '2026-03')
    expect(out.split('\n\n')[1]?.split('\n')[0]).toBe('The last 7 days')
  })

  it('is one row for programs, and where it is split or empty', async () => {
    expect((await overview('--format', 'csv')).out.split('\r\n')).toHaveLength(3)
    expect((await overview('--by', 'property:plan')).out).not.toContain('The last')
    expect((await overview('--since', '2026-03-07')).out).not.toMatch(/NaN|Infinity/)
  })
})

it('a sparkline has a space where nothing is known', () => {
  expect(sparkline([1, null, 3])).toBe('▁ █')
  expect(sparkline([null, null])).toBe('  ')
})

it('ends without a word, and as if all were well, where nobody reads on', async () => {
  const many = await writeLedger(
    join(folder, 'many.db'),
    Array.from({ length: 20_000 }, (_, n) => ({ at: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(), user: `user-${n}` })),
  )
  const child = start(['export', 'calls', '--format', 'csv', '--store', many])
  let err = ''
  child.stderr?.on('data', (chunk: Buffer) => (err += String(chunk)))
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  child.stdout?.destroy()
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
  expect(err).not.toMatch(/EPIPE|Error/)
})

it('says why there are no rows, and what there is', async () => {
  const held = 'The ledger has calls from 2026-03-01T10:00:00.000Z to 2026-03-06T10:00:00.000Z.'
  const said = async (...args: string[]): Promise<string | undefined> => (await ask('report', 'users', ...args)).err.split('\n')[0]
  expect(await said('--where', 'plan = none-such')).toBe(`No call in this period passes the filter. ${held}`)
  expect(await said('--since', '2020-01-01', '--until', '2020-02-01')).toBe(`No calls in this period. ${held}`)
  expect((await run(['report', 'users', '--store', path, '--as-of', '2020-01-01'])).err).toContain(
    'The ledger holds no calls before 2020-01-01.',
  )
})
