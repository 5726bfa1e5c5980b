import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { parseUsd } from '@spanledger/conventions'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger, type SoldCall } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
/** Forty days across a change of clocks, with users whose names a spreadsheet would run. */
const calls: SoldCall[] = Array.from({ length: 400 }, (_, n) => ({
  at: new Date(Date.UTC(2026, 2, 1) + n * 2.4 * 3_600_000).toISOString(),
  ...(n % 9 === 0 ? {} : { user: n % 5 === 0 ? '=HYPERLINK("x")' : `user-${n % 7}` }),
  properties: { plan: n % 3 === 0 ? 'pro' : 'free' },
  model: n % 11 === 0 ? 'nobody-knows' : 'gpt-4o',
  tokens: 100 + n,
}))
beforeAll(() => writeLedger(path, calls))
afterAll(() => rmSync(folder, { recursive: true }))

type Line = Readonly<Record<string, string | number | null>>

async function exported(...args: string[]): Promise<Line[]> {
  const { code, out, err } = await run(['export', 'users', '--store', path, ...args])
  expect([code, err]).toEqual([0, ''])
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

function sumBy(lines: readonly Line[], key: string): Map<unknown, { requests: number; nanoUsd: number }> {
  const sums = new Map<unknown, { requests: number; nanoUsd: number }>()
  for (const line of lines) {
    const sum = sums.get(line[key]) ?? { requests: 0, nanoUsd: 0 }
    sum.requests += Number(line['requests'])
    sum.nanoUsd += parseUsd(line['cost_usd']) ?? 0
    sums.set(line[key], sum)
  }
  return sums
}

describe('users by time', () => {
  it.each([
    ['time:day', 'day', 'Europe/Berlin'],
    ['time:day', 'day', 'UTC'],
    ['time:week', 'week', 'America/St_Johns'],
    ['time:month', 'month', 'Asia/Kathmandu'],
  ])('by %s (%s of %s) add up to every user and to every bucket, to the unit', async (by, key, zone) => {
    const lines = await exported('--by', by, '--tz', zone)
    const report = JSON.parse((await run(['report', 'users', '--format', 'json', '--store', path])).out) as { rows: Line[] }
    expect(sumBy(lines, 'user')).toEqual(sumBy(report.rows, 'user'))
    const buckets = JSON.parse(
      (
        await run([
          'query',
          JSON.stringify({ metrics: ['requests', 'cost_usd'], by: [by] }),
          '--tz',
          zone,
          '--format',
          'json',
          '--store',
          path,
        ])
      ).out,
    ) as { rows: Line[] }
    expect(sumBy(lines, key)).toEqual(sumBy(buckets.rows, key))
    const places = lines.map((line) => `${line[key]} ${line['user']}`)
    expect(new Set(places).size).toBe(places.length)
    expect(lines.map((line) => line[key])).toEqual(lines.map((line) => line[key]).sort())
  })

  it('are what the calls of each day and user come to', async () => {
    const lines = await exported(
      '--by',
      'time:day',
      '--metrics',
      'requests,input_tokens',
      '--since',
      '2026-03-05T06:00:00Z',
      '--until',
      '2026-03-20',
    )
    const expected = new Map<string, { requests: number; input: number }>()
    for (const { at, user, tokens = 0 } of calls) {
      if (at < '2026-03-05T06:00:00' || at >= '2026-03-21') continue
      const place = `${at.slice(0, 10)} ${user ?? '(none)'}`
      const sum = expected.get(place) ?? { requests: 0, input: 0 }
      expected.set(place, { requests: sum.requests + 1, input: sum.input + tokens })
    }
    expect(new Map(lines.map(({ day, user, requests, input_tokens: input }) => [`${day} ${user}`, { requests, input }]))).toEqual(expected)
    expect(Object.keys(lines[0] ?? {})).toEqual(['day', 'user', 'requests', 'input_tokens'])
  })

  it('are split by further dimensions, and only calls that fit a filter are in them', async () => {
    const lines = await exported('--by', 'property:plan,time:week', '--where', 'plan = pro and model = gpt-4o')
    expect(new Set(lines.map(({ plan }) => plan))).toEqual(new Set(['pro']))
    expect(lines.reduce((sum, { requests }) => sum + Number(requests), 0)).toBe(
      calls.filter(({ properties, model }) => properties?.['plan'] === 'pro' && model === 'gpt-4o').length,
    )
  })

  it('are CSV that no spreadsheet runs, with one header', async () => {
    const { out } = await run(['export', 'users', '--by', 'time:day', '--format', 'csv', '--store', path])
    const rows: string[][] = parse(out)
    expect(rows[0]?.slice(0, 4)).toEqual(['day', 'user', 'requests', 'cost_usd'])
    expect(rows.filter(([day]) => day === 'day')).toHaveLength(1)
    expect(rows.filter(([, user = '']) => user.startsWith('=')).length).toBe(0)
    expect(rows.filter(([, user]) => user === `'=HYPERLINK("x")`).length).toBeGreaterThan(10)
  })

  it.each([
    [['users', '--by', 'property:plan'], 'users are written by one of time:day, time:week, time:month'],
    [['users', '--by', 'time:day,time:week'], 'users are written by one of time:day'],
    [['users', '--by', 'time:day', '--format', 'json'], 'Users by time:day are written as ndjson, csv, tsv or parquet, not as json'],
    [['users', '--by', 'time:day', '--metrics', 'costs'], 'Unknown metric "costs"'],
    [['users', '--metrics', 'cost_usd'], '--metrics needs --by'],
    [['calls', '--by', 'time:day'], '--by is for users'],
  ])('refuse %j', async (args, says) => {
    const { code, out, err } = await run(['export', ...args, '--store', path])
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(says)])
  })
})

it('users are written whole, not the page that a table shows', async () => {
  const many = await writeLedger(
    join(folder, 'many.db'),
    Array.from({ length: 12_000 }, (_, n) => ({ at: '2026-01-05T10:00:00Z', user: `u-${n}` })),
  )
  const { out } = await run(['export', 'users', '--store', many])
  const users = out.split('\n').filter((line) => line !== '')
  expect(new Set(users.map((line) => (JSON.parse(line) as Line)['user'])).size).toBe(12_000)
  const rows: string[][] = parse((await run(['export', 'users', '--format', 'csv', '--store', many])).out)
  expect(rows).toHaveLength(12_001)
})
