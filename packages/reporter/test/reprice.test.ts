import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeEach, describe, expect, it } from 'vitest'

import { progressLine } from '../src/command/progress.ts'
import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const twice = join(folder, 'twice.json')
writeFileSync(
  twice,
  JSON.stringify({
    prices: [
      { pattern: '^gpt-4o$', factor: 2 },
      { model: 'ours', usdPerMillion: { inputTokens: 1, outputTokens: 1 } },
    ],
  }),
)

let ledgers = 0
let path = ''
beforeEach(async () => {
  path = await writeLedger(join(folder, `${ledgers++}.db`), [
    { at: '2026-01-05T10:00:00Z', user: 'ada' },
    { at: '2026-01-06T10:00:00Z', user: 'ada', tokens: 3000 },
    { at: '2026-01-07T10:00:00Z', user: 'bob', model: 'ours' },
    { at: '2026-01-08T10:00:00Z', user: 'bob', status: 'error' },
  ])
})

const ask = (...args: string[]): ReturnType<typeof run> => run([...args, '--store', path])
const repriced = (...args: string[]): ReturnType<typeof run> => ask('reprice', '--prices', twice, ...args)
const costs = async (): Promise<string> =>
  (await ask('report', 'users', '--columns', 'user,requests,cost_usd,unpriced_requests', '--format', 'csv')).out

describe('spanledger reprice', () => {
  it('shows what each user’s cost would be, and writes nothing, with --dry-run', async () => {
    const before = await costs()
    const { code, out, err } = await repriced('--dry-run')
    expect({ code, out, err }).toEqual({
      code: 0,
      out: [
        'User   Calls changed  Newly priced  Newly unpriced   Before    After   Change',
        'ada                2             0               0  $0.0100  $0.0200  $0.0100',
        'bob                1             1               0       $0  $0.0010  $0.0010',
        'total              3             1               0  $0.0100  $0.0210  $0.0110',
        '',
      ].join('\n'),
      err: '3 of 4 calls get another cost: $0.010000000 -> $0.021000000; 1 of them had none. Nothing is written (--dry-run).\n',
    })
    expect(await costs()).toBe(before)
    expect((await ask('reprice', '--list')).err).toBe('This ledger was never repriced.\n')
  })

  it('writes the new costs, says how to take them back, and takes them back', async () => {
    const before = await costs()
    const { code, err } = await repriced()
    expect(code).toBe(0)
    expect(err).toContain('To take it back: spanledger reprice --undo 1')
    expect(await costs()).toBe('user,requests,cost_usd,unpriced_requests\r\nada,2,0.020000000,0\r\nbob,2,0.001000000,1\r\n')
    expect((await ask('verify')).code).toBe(0)
    expect((await repriced()).err).toBe("4 calls have the cost and price of today's prices already.\n")
    const undone = await ask('reprice', '--undo', '1', '--by', 'model', '--format', 'csv')
    expect(undone).toEqual({
      code: 0,
      out: [
        'model,provider,calls_changed,newly_priced,newly_unpriced,cost_before_usd,cost_after_usd,cost_change_usd',
        'gpt-4o,openai,2,0,0,0.020000000,0.010000000,-0.010000000',
        'ours,openai,1,0,1,0.001000000,0.000000000,-0.001000000',
        '',
      ].join('\r\n'),
      err: 'Undid repricing 1: 3 calls have their old cost and price again.\n',
    })
    expect(await costs()).toBe(before)
    expect((await ask('verify')).code).toBe(0)
  })

  it('is whole in JSON, by user and by model, and so is the list of repricings', async () => {
    const { out } = await repriced('--since', '2026-01-06', '--until', '2026-01-06', '--model', 'gpt-4o', '--format', 'json')
    const change = {
      calls_changed: 1,
      newly_priced: 0,
      newly_unpriced: 0,
      cost_before_usd: '0.007500000',
      cost_after_usd: '0.015000000',
      cost_change_usd: '0.007500000',
    }
    expect(JSON.parse(out)).toMatchObject({
      schema: 'reprice/v1',
      params: {
        since: '2026-01-06T00:00:00.000Z',
        until: '2026-01-07T00:00:00.000Z',
        model: 'gpt-4o',
        unpriced: false,
        dry_run: false,
        undo: null,
      },
      meta: { repricing: 1, price_source: 'genai-prices 0.1.8, 2 own', calls_read: 1, calls_rewritten: 1, overrides_lost: 0 },
      users: [{ user: 'ada', ...change }],
      models: [{ model: 'gpt-4o', provider: 'openai', ...change }],
      totals: change,
    })
    const list = JSON.parse((await ask('reprice', '--list', '--format', 'json')).out) as { schema: string; rows: unknown[] }
    expect(list.schema).toBe('repricings/v1')
    expect(list.rows).toEqual([
      {
        repricing: 1,
        state: 'done',
        started_at: expect.any(String),
        finished_at: expect.any(String),
        undone_at: null,
        since: '2026-01-06T00:00:00.000Z',
        until: '2026-01-07T00:00:00.000Z',
        model: 'gpt-4o',
        scope: 'all',
        price_source: 'genai-prices 0.1.8, 2 own',
        ...change,
      },
    ])
  })

  it('prices only what has no cost with --unpriced', async () => {
    const { err } = await repriced('--unpriced')
    expect(err).toContain('1 of 2 calls get another cost')
    expect(await costs()).toBe('user,requests,cost_usd,unpriced_requests\r\nada,2,0.010000000,0\r\nbob,2,0.001000000,1\r\n')
  })

  it('warns where prices of one’s own would go, because their file was not given', async () => {
    await repriced()
    expect((await ask('reprice', '--dry-run')).err).toContain('3 of these calls have a price of your own, and no file of prices was given')
  })

  it.each([
    [['--undo', '9'], 'There is no repricing 9. This ledger was never repriced.'],
    [['--undo', 'x'], '--undo "x": give a whole number from 1'],
    [['--undo', '1', '--since', '2026-01-01'], '--undo takes no --since: leave them out.'],
    [['--list', '--dry-run'], '--list takes no --dry-run: leave them out.'],
    [['--list', '--undo', '1'], 'Give either --list or --undo, not both.'],
    [['--since', 'tomorrow'], 'Cannot read since "tomorrow".'],
    [['--since', '2026-02-01', '--until', '2026-01-01'], 'before it begins'],
    [['--by', 'plan'], 'Allowed choices are user, model'],
  ])('refuses %j with exit code 2, and changes nothing', async (args, words) => {
    const before = await costs()
    const { code, out, err } = await ask('reprice', ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(words)
    expect(await costs()).toBe(before)
  })

  it('says where there is no ledger, and makes none', async () => {
    const nowhere = join(folder, 'nowhere.db')
    const { code, err } = await run(['reprice', '--store', nowhere])
    expect(code).toBe(1)
    expect(err).toContain('There is no ledger at')
    expect(existsSync(nowhere)).toBe(false)
  })
})

it('a progress line says how much is done, of an empty ledger too', () => {
  expect(progressLine('Repricing', 250_000, 1_000_000)).toBe('Repricing [#######                       ]  25 %  250,000 of 1,000,000')
  expect(progressLine('Repricing', 0, 0)).toBe('Repricing [##############################] 100 %  0 of 0')
})
