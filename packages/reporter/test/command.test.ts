import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import { metricNames, reportList } from '@spanledger/analytics'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { lineOf, run, start, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
beforeAll(async () => {
  await writeLedger(path, [
    { at: '2026-01-05T10:00:00Z', user: 'ada', session: 's1', properties: { plan: 'pro', feature: 'chat' } },
    { at: '2026-01-06T10:00:00Z', user: 'ada', session: 's1', properties: { plan: 'pro', feature: 'search' }, tokens: 3000 },
    { at: '2026-01-06T11:00:00Z', user: '=bob', properties: { plan: 'free' }, status: 'error' },
    { at: '2026-01-07T10:00:00Z', tokens: 10 },
  ])
})
afterAll(() => rmSync(folder, { recursive: true }))

const AS_OF = '2026-01-10T00:00:00Z'
const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path, '--as-of', AS_OF])

describe('a report', () => {
  it('goes to stdout, and what belongs to it to stderr', async () => {
    const { code, out, err } = await ask('report', 'properties', '--by', 'property:plan', '--columns', 'plan,requests,cost_usd')
    expect({ code, out }).toEqual({
      code: 0,
      out: [
        'plan    Requests       Cost',
        'pro            2    $0.0100',
        '(none)         1   <$0.0001',
        'free           1          -',
        'total          4  ≥ $0.0100',
        '',
      ].join('\n'),
    })
    expect(err).toBe(
      [
        'note: 1 of 4 requests reported no tokens (failed calls mostly); their cost is unknown and left out',
        'note: latency percentiles are within 1.1 %',
        '',
      ].join('\n'),
    )
  })

  it('is the whole answer in JSON', async () => {
    const { code, out } = await ask('report', 'users', '--format', 'json', '--quiet')
    const answer = JSON.parse(out) as Record<string, unknown>
    expect(code).toBe(0)
    expect(Object.keys(answer)).toEqual(['schema', 'params', 'meta', 'columns', 'rows', 'totals'])
    expect(answer).toMatchObject({ schema: 'users/v1', totals: { requests: 4, cost_usd: '0.010025000' }, meta: { tz: 'UTC', users: 2 } })
  })

  it('is the same with --json, before and after the name of the command', async () => {
    const { out } = await ask('report', 'models', '--format', 'json', '--quiet')
    expect((await ask('report', 'models', '--json', '--quiet')).out).toBe(out)
    expect((await run(['--json', 'report', 'models', '--quiet', '--store', path, '--as-of', AS_OF])).out).toBe(out)
    expect((await ask('report', 'models', '--json', '--format', 'csv', '--quiet')).out).toMatch(/^model,/)
  })

  it('is the same as a query and as JSON from the page asks for', async () => {
    const query = JSON.stringify({ metrics: ['requests'], by: ['property:plan'], where: 'plan = pro' })
    const { out } = await ask('query', query, '--format', 'ndjson')
    const piped = await run(['query', '-', '--store', path, '--as-of', AS_OF, '--format', 'ndjson'], { input: query })
    expect([out, piped.out]).toEqual(['{"plan":"pro","requests":2}\n', '{"plan":"pro","requests":2}\n'])
  })

  it('has no colour when it is piped, be it where CI is set, nor with NO_COLOR', async () => {
    for (const env of [{}, { CI: 'true' }, { NO_COLOR: '1' }] as Record<string, string>[]) {
      const { out, err } = await run(['report', 'users', '--store', path], { env })
      expect(out + err).not.toContain('\u001b')
    }
  })

  it('goes to a file with --out', async () => {
    const file = join(folder, 'users.csv')
    const { code, out } = await ask(
      'report',
      'users',
      '--format',
      'csv',
      '--columns',
      'user,requests',
      '--sort',
      'requests:desc,user:asc',
      '--out',
      file,
      '--no-header',
    )
    expect({ code, out, text: readFileSync(file, 'utf8') }).toEqual({ code: 0, out: '', text: "ada,2\r\n(none),1\r\n'=bob,1\r\n" })
  })

  it('says what its columns are with --explain, and only then', async () => {
    const columns = ['--columns', 'user,requests,active_days']
    const table = await ask('report', 'users', '--explain', ...columns)
    expect(table.out.split('\n\n')[1]).toBe(
      [
        'Column       Is',
        'user         who made the call',
        'requests     calls, failed ones too; what repeats another call of its trace is not counted',
        'active_days  local days with a call, of any status: for one user the days, for several their sum',
        '',
      ].join('\n'),
    )
    const csv = await ask('report', 'users', '--explain', '--format', 'csv', ...columns)
    expect([csv.out.split('\r\n')[0], csv.err.split('\n')[0]]).toEqual(['user,requests,active_days', 'user: who made the call'])
    const query = JSON.stringify({ metrics: ['errors'] })
    const json = await ask('query', query, '--explain', '--format', 'json')
    expect((JSON.parse(json.out) as { definitions: unknown }).definitions).toEqual([
      { key: 'errors', label: 'Errors', type: 'int', says: 'failed calls; cancelled ones are none' },
    ])
    expect((await ask('query', query, '--format', 'json')).out).not.toContain('definitions')
  })

  it('shows between which bounds shares lie with --ci, and ranks by them', async () => {
    const table = await ask('report', 'users', '--ci')
    expect(table.out.split('\n')[0]).toMatch(/Error %\s+Error % from\s+Error % to/)
    const csv = await ask(
      'report',
      'users',
      '--columns',
      'user,error_rate_low,error_rate_denominator',
      '--sort',
      'error_rate_low',
      '--format',
      'csv',
    )
    expect(csv.out.split('\r\n')[0]).toBe('user,error_rate_low,error_rate_denominator')
    const query = await ask('query', '{"metrics":["error_rate"]}', '--ci', '--format', 'csv')
    expect(query.out.split('\r\n')[0]).toBe('error_rate,error_rate_numerator,error_rate_denominator,error_rate_low,error_rate_high')
    const refused = await ask('report', 'anomalies', '--ci')
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('no column of this answer is a share')])
  })

  it('shows what is not listed as one line, to people; in JSON where it is asked for', async () => {
    const args = ['report', 'properties', '--by', 'plan', '--columns', 'plan,requests,users', '--limit', '1']
    const table = await ask(...args)
    expect(table.out).toBe(
      [
        'plan            Requests  Users',
        'pro                    2      1',
        '(other) 2 rows         2      1',
        'total                  4      2',
        '',
      ].join('\n'),
    )
    expect((await ask(...args, '--no-other')).out).not.toContain('other')
    expect((await ask(...args, '--format', 'csv', '--other')).out).toBe('plan,requests,users\r\npro,2,1\r\n')
    const json = JSON.parse((await ask(...args, '--format', 'json', '--other')).out) as Record<string, unknown>
    expect(json['other']).toEqual({ rows: 2, values: { requests: 2, users: 1 } })
    expect(JSON.parse((await ask(...args, '--format', 'json')).out)).not.toHaveProperty('other')
  })

  it('goes on after a page, by the cursor that the page before says', async () => {
    const args = ['report', 'users', '--columns', 'user', '--sort', 'requests:desc', '--limit', '2', '--format', 'csv', '--no-header']
    const first = await ask(...args)
    const cursor = /^next rows: --after (\S+)$/m.exec(first.err)?.[1] ?? ''
    const second = await ask(...args, '--after', cursor)
    expect([first.out, second.out, /next rows/.test(second.err)]).toEqual(['ada\r\n(none)\r\n', "'=bob\r\n", false])
    expect(await ask('report', 'users', '--after', cursor)).toMatchObject({ code: 2, out: '' })
  })

  it('counts a call with a list under each of its values with --attribution', async () => {
    const lists = await writeLedger(join(folder, 'lists.db'), [
      { at: '2026-01-05T10:00:00Z', properties: { tags: '["eu","billing"]' }, tokens: 1001 },
      { at: '2026-01-05T11:00:00Z', properties: { tags: 'eu' } },
    ])
    const args = [
      'report',
      'properties',
      '--by',
      'property:tags',
      '--columns',
      'tags,requests,total_tokens',
      '--format',
      'csv',
      '--no-header',
      '--store',
      lists,
    ]
    expect((await run([...args, '--attribution', 'full', '--sort', 'tags:asc'])).out).toBe('billing,1,1001\r\neu,2,2001\r\n')
    expect((await run([...args, '--attribution', 'split', '--sort', 'tags:asc'])).out).toBe('billing,1,501\r\neu,2,1500\r\n')
    expect((await run([...args, '--attribution', 'half'])).code).toBe(2)
  })

  it('leaves rows out by what they come to, and users by how they are called', async () => {
    const columns = ['--columns', 'user,requests', '--format', 'csv', '--no-header']
    expect((await ask('report', 'users', '--having', 'requests < 2 and cost_usd > 0', ...columns)).out).toBe('(none),1\r\n')
    expect((await ask('report', 'users', '--user-prefix', 'ad', ...columns)).out).toBe('ada,2\r\n')
    expect(await ask('report', 'users', '--having', 'plan = pro')).toMatchObject({ code: 2, out: '' })
  })

  it('is written as one nested object where that is asked for', async () => {
    const { code, out } = await ask('report', 'behavior', '--user', 'ada', '--shape', 'seed')
    expect(code).toBe(0)
    expect(Object.keys((JSON.parse(out) as { user_behavior: object }).user_behavior)).toEqual([
      'avg_requests_per_day',
      'peak_usage_hours',
      'session_length_avg',
      'favorite_features',
      'model_preferences',
    ])
    expect((await ask('report', 'users', '--shape', 'seed')).code).toBe(2)
  })

  it('alone lists the reports', async () => {
    const { code, out } = await run(['report'])
    expect(code).toBe(0)
    expect(out.split('\n').map((line) => line.split(' ')[0])).toEqual([...reportList.map(({ name }) => name), ''])
    expect(out).toMatch(/^cohorts +which share of the users/m)
  })
})

describe('schema', () => {
  it('lists every report, metric and dimension, without a ledger', async () => {
    const { code, out } = await run(['schema', '--format', 'json', '--store', '/nowhere.db'])
    const { rows } = JSON.parse(out) as { rows: { kind: string; name: string; says: string }[] }
    expect(code).toBe(0)
    const names = (kind: string): string[] => rows.filter((row) => row.kind === kind).map(({ name }) => name)
    expect(names('report')).toEqual(reportList.map(({ name }) => name))
    expect(names('metric')).toEqual(metricNames)
    expect(names('dimension')).toEqual(expect.arrayContaining(['user', 'property:KEY', 'time:week']))
    expect(names('option')).toContain('rank_by')
    expect(rows.filter(({ says }) => says.length < 8 && says !== 'chat')).toEqual([])
  })

  it('lists one kind of them, as a table too, and refuses others', async () => {
    const { out } = await run(['schema', 'segments', '--format', 'csv'])
    expect(out.split('\r\n')).toEqual(
      expect.arrayContaining(['kind,name,type,says', 'segment,power,automatic,docs/reports.md says who is in it']),
    )
    expect((await run(['schema', 'metrics'])).out).toMatch(/error_rate +rate +errors \/ requests/)
    expect((await run(['schema', 'metric'])).code).toBe(2)
  })
})

describe('the exit code', () => {
  const codes: readonly (readonly [number, RegExp, readonly string[]])[] = [
    [0, /^$/, ['--version']],
    [0, /^$/, ['report', '--help']],
    [1, /There is no ledger at/, ['report', 'users', '--store', '/nowhere/at/all.db']],
    [1, /is a folder/, ['report', 'users', '--store', '/tmp']],
    [2, /unknown command 'reports'\n\(Did you mean report\?\)/, ['reports']],
    [2, /Unknown report "uers". Did you mean "users"\?/, ['report', 'uers', '--store', path]],
    [2, /about one user. Say which: --user ID/, ['report', 'user', '--store', path]],
    [2, /Unknown name "plann". Did you mean "plan"\?/, ['report', 'users', '--where', 'plann = pro', '--store', path]],
    [2, /Unknown metric "cost"/, ['query', '{"metrics":["cost"]}', '--store', path]],
    [2, /The query is no JSON/, ['query', '{', '--store', path]],
    [2, /expected a value at character 8/, ['report', 'users', '--where', 'plan = ', '--store', path]],
    [2, /Name an experiment/, ['report', 'properties', '--by', 'experiment:', '--store', path]],
    [2, /--limit "many": give a whole number/, ['report', 'users', '--limit', 'many', '--store', path]],
    [2, /Allowed choices are table, json/, ['report', 'users', '--format', 'xml', '--store', path]],
    [2, /Unknown time zone "Mars\/Base"/, ['report', 'users', '--tz', 'Mars/Base', '--store', path]],
    [2, /ledger files only/, ['report', 'users', '--store', 'clickhouse://localhost/db']],
    [1, /^spanledger: --out "\/nowhere\/x" cannot be written: there is no folder "\/nowhere"\. Make it/, ['report', '--out', '/nowhere/x']],
    [1, /^spanledger: --out "\/tmp" is a folder\. Name a file in it, e\.g\. "\/tmp\/report\.csv"\./, ['report', '--out', '/tmp']],
    [1, /is no folder\. Name a file in another folder/, ['report', '--out', join(path, 'x')]],
    [2, /is the ledger itself/, ['report', 'users', '--store', path, '--out', path]],
    [3, /No rows/, ['report', 'users', '--since', '2025-01-01', '--until', '2025-01-02', '--fail-empty', '--store', path]],
    [4, /token of at least 32 characters/, ['serve', '--host', '0.0.0.0', '--port', '0', '--store', path]],
    [4, /has 5 characters/, ['serve', '--token', 'short', '--port', '0', '--store', path]],
    [5, /Threshold tripped: error_rate is 0.25/, ['report', 'users', '--fail-on', 'error_rate > 0.05', '--store', path]],
    [0, /note/, ['report', 'users', '--fail-on', 'error_rate > 0.5 or requests > 1000', '--store', path]],
  ]
  it.each(codes.map(([code, pattern, args]) => ({ code, pattern, args })))('is $code for $args', async ({ code, pattern, args }) => {
    const ran = await run(args)
    expect(ran.err).toMatch(pattern)
    expect(ran.err).not.toMatch(/\n\s+at /)
    expect(ran.code).toBe(code)
  })

  it('is 0 when the reader goes away before the end', async () => {
    const child = start(['export', 'users', '--store', path])
    child.stdout?.destroy()
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
  })

  it('shows where an error comes from only with --verbose', async () => {
    const { err } = await run(['report', 'user', '--store', path, '--verbose'])
    expect(err).toMatch(/\n\s+at /)
  })
})

describe('a file of --out', () => {
  const file = join(folder, 'out.ndjson')
  const written = (): string => readFileSync(file, 'utf8')

  it('stays as it was when the command fails', async () => {
    writeFileSync(file, 'before')
    expect(await ask('report', 'user', '--out', file)).toMatchObject({ code: 2, out: '' })
    expect(await ask('report', 'users', '--where', 'plan = ', '--out', file)).toMatchObject({ code: 2, out: '' })
    expect(await ask('report', 'users', '--fail-on', 'requests >', '--out', file)).toMatchObject({ code: 2, out: '' })
    expect(written()).toBe('before')
    expect(parts()).toEqual([])
  })

  it('is replaced when all is written, also where a threshold then trips or there are no rows', async () => {
    writeFileSync(file, 'before')
    chmodSync(file, 0o640)
    const query = JSON.stringify({ metrics: ['requests'] })
    const tripped = ['query', query, '--format', 'ndjson', '--fail-on', 'requests > 1', '--out', file]
    expect([(await ask(...tripped)).code, written()]).toEqual([5, '{"requests":4}\n'])
    expect(statSync(file).mode & 0o777).toBe(0o640)
    expect([(await ask('export', 'calls', '--until', '2025-01-01', '--no-header', '--out', file)).code, written()]).toEqual([0, ''])
    expect(parts()).toEqual([])
  })

  it('is one that only its owner may read when it is new', async () => {
    const made = join(folder, 'new.json')
    expect((await ask('report', '--format', 'json', '--out', made)).code).toBe(0)
    expect(statSync(made).mode & 0o777).toBe(0o600)
  })

  it('may be a link or a device, and neither is replaced', async () => {
    const link = join(folder, 'link.ndjson')
    symlinkSync(file, link)
    expect((await ask('report', '--format', 'json', '--out', link)).code).toBe(0)
    expect([lstatSync(link).isSymbolicLink(), JSON.parse(written())]).toEqual([true, expect.objectContaining({ schema: 'reports/v1' })])
    expect((await ask('report', '--out', '/dev/null')).code).toBe(0)
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  it.skipIf(process.getuid?.() === 0)('is not allowed in a folder that may not be written', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed, { mode: 0o500 })
    const { code, err } = await ask('report', '--out', join(closed, 'x'))
    expect([code, err]).toEqual([4, expect.stringContaining(`a new file is made in "${closed}" first`)])
  })

  const parts = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.part'))
})

describe('trust', () => {
  it('verify makes no ledger where there is none, nor does it to repair it', async () => {
    const absent = join(folder, 'absent-to-verify.db')
    for (const args of [['verify'], ['verify', '--repair']]) {
      const { code, out, err } = await run([...args, '--store', absent])
      expect([code, out]).toEqual([1, ''])
      expect(err).toContain('absent-to-verify.db')
      expect(existsSync(absent)).toBe(false)
    }
    expect((await run(['verify', '--repair', '--store', absent])).err).toContain('nothing to repair')
  })

  it('verify holds on a sound ledger, fails on a bent one, and repairs its rollups', async () => {
    const bent = await writeLedger(join(folder, 'bent.db'), [{ at: '2026-01-05T10:00:00Z', user: 'ada' }])
    expect((await run(['verify', '--store', bent])).code).toBe(0)
    await bend(bent, 'UPDATE rollup_users SET requests = requests + 1')
    const found = await run(['verify', '--store', bent, '--format', 'json'])
    expect(found.code).toBe(1)
    expect(JSON.parse(found.out)).toMatchObject({ schema: 'verify/v1', ok: false })
    expect(found.err).toContain('spanledger verify --repair')
    expect((await run(['verify', '--repair', '--store', bent])).code).toBe(0)
  })

  it('verify finds costs that were changed, and --repair does not make the totals agree with them', async () => {
    const bent = await writeLedger(join(folder, 'cheap.db'), [{ at: '2026-01-05T10:00:00Z', user: 'ada' }])
    await bend(bent, 'UPDATE llm_calls SET cost_nano_usd = 1')
    for (const args of [['verify'], ['verify', '--repair'], ['verify']]) {
      const { code, out, err } = await run([...args, '--store', bent])
      expect([code, out]).toEqual([
        1,
        expect.stringMatching(/costs +WRONG +1 of 1 calls do not cost what .* 0 nano-USD too much, \d+ too little/),
      ])
      expect(err).toMatch(/Calls in ledger .* were changed after they were written.*Restore a backup/)
    }
    expect((await run(['verify', '--repair', '--store', bent])).err).toContain('Nothing was repaired.')
  }, 180_000)

  it('verify and doctor see damaged pages, and tell what helps', async () => {
    const damaged = await writeLedger(
      join(folder, 'damaged.db'),
      Array.from({ length: 400 }, (_, n) => ({ at: new Date(1767607200000 + n * 60_000).toISOString(), user: `user-${n}` })),
    )
    damage(damaged)
    const { code, err } = await run(['verify', '--store', damaged])
    expect(code).toBe(1)
    expect(err).toMatch(/is damaged.*Restore a backup \(made by: spanledger backup FILE\)/)
    expect(err).not.toContain('spanledger verify --repair')
    const findings = await run(['doctor', '--store', damaged])
    expect(findings.out).toMatch(/^problem +damage: the file is damaged: /m)
    expect((await run(['doctor', '--store', damaged, '--strict'])).code).toBe(1)
  }, 180_000)

  it('backup copies a ledger that verifies, and never over a file', async () => {
    const copy = join(folder, 'copy.db')
    expect(await run(['backup', copy, '--store', path])).toMatchObject({ code: 0 })
    expect((await run(['report', 'users', '--store', copy, '--as-of', AS_OF, '--format', 'csv'])).out).toBe(
      (await ask('report', 'users', '--format', 'csv')).out,
    )
    expect(await run(['backup', copy, '--store', path])).toMatchObject({ code: 2 })
  })

  it('doctor says what keeps numbers out of the ledger', async () => {
    const { code, out } = await run(['doctor', '--store', path, '--format', 'json', '--strict'], {
      env: { OTEL_TRACES_SAMPLER: 'traceidratio' },
    })
    const { findings } = JSON.parse(out) as { findings: { state: string; check: string; detail: string }[] }
    const stateOf = (check: string): string | undefined => findings.find((finding) => finding.check === check)?.state
    expect(code).toBe(1)
    expect(['file', 'spool', 'users', 'prices', 'sampler', 'sample data', 'openai'].map((check) => [check, stateOf(check)])).toEqual([
      ['file', 'ok'],
      ['spool', 'ok'],
      ['users', 'warning'],
      ['prices', 'ok'],
      ['sampler', 'problem'],
      ['sample data', 'ok'],
      ['openai', 'ok'],
    ])
  })

  it('doctor sees calls that wait, and others who may read the file', async () => {
    const open = await writeLedger(join(folder, 'open.db'), [{ at: '2026-01-05T10:00:00Z', user: 'ada', model: 'home-made' }])
    chmodSync(open, 0o644)
    mkdirSync(`${open}.spool`)
    writeFileSync(join(`${open}.spool`, 'refused-1.ndjson'), '')
    const { out, code } = await run(['doctor', '--store', open])
    expect(code).toBe(0)
    expect(out).toMatch(/^warning {2}file: .*chmod 600/m)
    expect(out).toMatch(/^problem {2}spool: 1 files .* refused/m)
    expect(out).toMatch(/^warning {2}prices: 1 of 1 calls .*home-made\/openai \(unknown_model, 1\)/m)
  })
})

describe('the spool', () => {
  const spool = join(folder, 'elsewhere')
  const spoolFinding = (out: string): string | undefined => /^.* spool: .*$/m.exec(out)?.[0]
  beforeAll(() => {
    mkdirSync(spool)
    writeFileSync(join(spool, '1767600000000-00.ndjson'), '{"counts":[["spans_dropped",2]]}\n')
  })

  it('is looked for where the environment or the option says', async () => {
    const expected = `warning  spool: 1 files wait in ${spool}: spanledger doctor --drain writes them`
    const env = { SPANLEDGER_SPOOL: spool }
    expect(spoolFinding((await run(['doctor', '--store', path], { env })).out)).toBe(expected)
    expect(spoolFinding((await run(['doctor', '--store', path, '--spool', spool])).out)).toBe(expected)
    expect(spoolFinding((await run(['doctor', '--store', path])).out)).toBe(`ok       spool: nothing waits to be written in ${path}.spool`)
    expect((await run(['report', 'users', '--store', path], { env })).err).toContain(`note: 1 files wait in ${spool};`)
  })

  it('that cannot be read is a problem', async () => {
    const { out } = await run(['doctor', '--store', path, '--spool', path])
    expect(spoolFinding(out)).toBe(`problem  spool: what waits to be written cannot be seen: ${path} is no folder`)
  })

  it('is drained where it is', async () => {
    const drained = await writeLedger(join(folder, 'drained.db'), [{ at: '2026-01-05T10:00:00Z', user: 'ada' }])
    const { out } = await run(['doctor', '--drain', '--store', drained, '--spool', spool])
    expect(spoolFinding(out)).toBe(`ok       spool: nothing waits to be written in ${spool}`)
    expect(out).toMatch(/^problem {2}spans_dropped: 2 /m)
    expect(readdirSync(spool)).toEqual([])
  })
})

describe('export', () => {
  it('writes every call with what the ledger has of it', async () => {
    const { out } = await ask('export', 'calls', '--until', '2026-01-05')
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      {
        start: '2026-01-05T10:00:00.000Z',
        trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
        span_id: expect.stringMatching(/^[0-9a-f]{16}$/) as unknown,
        user: 'ada',
        session: 's1',
        provider: 'openai',
        requested_model: 'gpt-4o',
        response_model: 'gpt-4o',
        operation: 'chat',
        status: 'ok',
        error: null,
        finish_reason: null,
        service_tier: null,
        usage_quality: 'reported',
        origin: 'app',
        latency_ms: 100,
        ttft_ms: null,
        cost_usd: '0.002500000',
        input_tokens: 1000,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        output_tokens: 0,
        reasoning_tokens: 0,
        cache_verdict: null,
        properties: '{"feature":"chat","plan":"pro"}',
      },
    ])
  })

  it('writes one header line in CSV, also where there is nothing', async () => {
    const all = await ask('export', 'calls', '--format', 'csv')
    const none = await ask('export', 'calls', '--format', 'csv', '--until', '2025-01-01')
    expect(all.out.split('\r\n')).toHaveLength(6)
    expect(none.out).toBe(`${all.out.split('\r\n')[0]}\r\n`)
  })
})

describe('prices', () => {
  it('are explained step by step', async () => {
    const { code, out, err } = await run(['prices', 'explain', 'openai/gpt-4o', '--format', 'csv'])
    expect(code).toBe(0)
    expect(out).toMatch(/^provider,model,tier,.*\r\nopenai,gpt-4o,standard,/)
    expect(err).toMatch(/^found {2}exact: openai gpt-4o/m)
  })

  it('are listed', async () => {
    const { out } = await run(['prices', 'list', '--provider', 'anthropic', '--format', 'ndjson'])
    const rows = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { provider: string })
    expect(new Set(rows.map(({ provider }) => provider))).toEqual(new Set(['anthropic']))
  })
})

describe('the demo', () => {
  it('makes real calls, checks them against the bill, and leaves the ledger it was given', async () => {
    const store = join(folder, 'demo.db')
    const { code, out, err } = await run(['demo', '--once', '--store', store, '--format', 'ndjson'])
    expect(err).toContain('Checked: the ledger has each of the 31 live calls once, with exactly the tokens that the stand-in billed')
    expect(err).toContain('Verified:')
    expect(err).toMatch(/note: \d+ of \d+ requests are sample data/)
    expect(code).toBe(0)
    expect(out.split('\n').length).toBeGreaterThan(20)
    expect(existsSync(store)).toBe(true)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'leaves alone the ledger and the spool that the environment names, and on %s ends with %i, with nothing left',
    async (signal, expected) => {
      const temporary = join(folder, `temporary-${signal}`)
      mkdirSync(temporary)
      const spool = join(folder, 'spool-of-an-app')
      const child = start(['demo', '--once'], { env: { SPANLEDGER_STORE: path, SPANLEDGER_SPOOL: spool, TMPDIR: temporary } })
      const ended = new Promise((resolve) => child.on('close', (code, by) => resolve({ code, by })))
      const ledger = await lineOf(child.stderr, /(?<=Ledger: ).*demo\.db/)
      expect(ledger.startsWith(temporary)).toBe(true)
      child.kill(signal)
      expect(await ended).toEqual({ code: expected, by: null })
      expect(readdirSync(temporary)).toEqual([])
    },
  )

  it('refuses a ledger of calls that are no samples, and leaves it as it was', async () => {
    const before = readFileSync(path)
    const { code, err } = await run(['demo', '--once', '--store', path])
    expect([code, err]).toEqual([
      2,
      `spanledger: Ledger "${path}" holds 4 calls that are no sample data; the demo would add made-up ones. Give --store the path of a new file, or leave it out.\n`,
    ])
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})

/** Flips bytes in the head of the tree of users. */
function damage(file: string): void {
  const bytes = readFileSync(file)
  const pageBytes = bytes.readUInt16BE(16)
  const at = bytes.indexOf('user-399')
  const page = Math.floor(at / pageBytes) * pageBytes
  // The pointers to the cells follow the head of the page.
  for (let n = 8; n < 16; n++) bytes[page + n] = bytes[page + n]! ^ 0xff
  writeFileSync(file, bytes)
}

/** Changes a ledger behind its back. */
async function bend(file: string, statement: string): Promise<void> {
  const { Database } = createRequire(import.meta.url)('sqlite3') as {
    Database: new (path: string) => { exec(sql: string, done: (error: Error | null) => void): void; close(done: () => void): void }
  }
  const database = new Database(file)
  await new Promise((resolve) => database.exec(statement, resolve))
  await new Promise<void>((resolve) => database.close(resolve))
}
