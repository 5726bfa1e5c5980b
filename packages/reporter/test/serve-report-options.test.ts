import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { reportOptions, type Answer } from '@spanledger/analytics'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { lineOf, run, start, temporaryFolder, writeLedger, type SoldCall } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
const tiersPath = join(folder, 'tiers.json')
const tiers = { free: { where: 'plan = free', monthly_request_limit: 10 }, pro: { monthly_request_limit: 'unlimited' } }
const AS_OF = '2026-03-20T12:00:00Z'
let child: ReturnType<typeof start>
let url: string
beforeAll(async () => {
  const days = ['01-05', '01-12', '02-02', '02-20', '03-01', '03-10', '03-18', '03-19']
  const ann = days.map((day, n): SoldCall => ({
    at: `2026-${day}T10:00:00Z`,
    user: 'ann',
    session: `a${n}`,
    properties: { plan: 'pro', feature: 'chat' },
  }))
  const bob = days
    .filter((_, n) => n % 2 === 0)
    .map((day): SoldCall => ({ at: `2026-${day}T11:00:00Z`, user: 'bob', properties: { plan: 'free', feature: 'code' } }))
  await writeLedger(path, [...ann, ...bob])
  writeFileSync(tiersPath, JSON.stringify(tiers))
  child = start(['serve', '--port', '0', '--store', path, '--as-of', AS_OF])
  url = (await lineOf(child.stdout, /http:\/\/127\.0\.0\.1:\d+/)).trim()
})
afterAll(() => {
  child.kill()
  rmSync(folder, { recursive: true })
})

const get = (report: string, query: string): Promise<Response> => fetch(`${url}/api/report/${report}?${query}`)
const post = (report: string, body: unknown, search = ''): Promise<Response> =>
  fetch(`${url}/api/report/${report}${search}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const asked = async (response: Promise<Response>): Promise<Omit<Answer, 'params'>> => {
  const { params: _, ...answer } = (await (await response).json()) as Answer
  return answer
}

describe('a report over HTTP', () => {
  const cases: [report: string, options: Record<string, string>][] = [
    ['cohorts', { mode: 'streak', censoring: 'eligible', weeks: '1,2,6' }],
    ['growth', { incomplete: 'complete_only', since: '2026-01-01' }],
    ['evolution', { basis: 'panel', weeks: '1,2' }],
    ['session_metrics', { outcomes: 'strict', user: 'ann' }],
    ['thresholds', { count: 'active_days' }],
    ['adoption', { feature: 'code' }],
    ['forecast', { forecast: 'requests' }],
    ['experiments', {}],
    ['users', { where: 'plan = pro', having: 'requests > 1', sort: 'user:asc' }],
  ]

  it.each(cases)('%s answers as the command does, asked by address and by body', async (report, options) => {
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
    const { out } = await run(['report', report, ...flags, '--store', path, '--as-of', AS_OF, '--format', 'json'])
    const { params: _, ...told } = JSON.parse(out) as Answer
    const answer = await asked(get(report, new URLSearchParams(options).toString()))
    expect(answer).toEqual(told)
    expect(await asked(post(report, options))).toEqual(told)
  })

  it('takes tiers as JSON, in text or as they are, and answers as the command with a file of them', async () => {
    const { out } = await run(['report', 'tiers', '--tiers', tiersPath, '--store', path, '--as-of', AS_OF, '--format', 'json'])
    const { params: _, ...told } = JSON.parse(out) as Answer
    expect(told.rows.map(({ user, tier, requests }) => [user, tier, requests])).toEqual([
      ['bob', 'free', 2],
      ['ann', 'pro', 4],
    ])
    expect(await asked(get('tiers', new URLSearchParams({ tiers: JSON.stringify(tiers) }).toString()))).toEqual(told)
    expect(await asked(post('tiers', { tiers }))).toEqual(told)
    expect(await asked(post('tiers', { options: { tiers: JSON.stringify(tiers) } }))).toEqual(told)
  })

  it('is told as of the moment and in the zone that it is asked for, as the command tells it', async () => {
    for (const [as_of, tz] of [
      ['2026-03-05', 'Asia/Tokyo'],
      ['2026-02-20T10:30:00Z', undefined],
      [undefined, 'America/New_York'],
    ] as const) {
      const clock = { ...(as_of === undefined ? {} : { as_of }), ...(tz === undefined ? {} : { tz }) }
      const flags = ['--as-of', as_of ?? AS_OF, ...(tz === undefined ? [] : ['--tz', tz])]
      const { out } = await run(['report', 'users', ...flags, '--store', path, '--format', 'json'])
      const { params: _, ...told } = JSON.parse(out) as Answer
      expect(told.meta.tz).toBe(tz ?? 'UTC')
      expect(await asked(get('users', new URLSearchParams(clock).toString()))).toEqual(told)
      expect(await asked(post('users', clock))).toEqual(told)
    }
    const weekly = (await (await get('weekly', 'as_of=2026-03-05')).json()) as Answer
    expect(weekly.meta.to).toBe('2026-03-02T00:00:00.000Z')
  })

  it('has the nested object of shape=seed beside the columns', async () => {
    const answer = await asked(post('evolution', { shape: 'seed', weeks: [1] }))
    expect(answer.seed).toMatchObject({ user_evolution: { week_1: {} } })
    expect(answer.rows).toHaveLength(1)
  })

  it('takes lists, filters and orders as data in a body, and the params of an answer again', async () => {
    const body = {
      where: ['is', 'property:plan', ['pro', 'free']],
      order_by: [['requests', 'asc']],
      by: ['property:feature'],
      metrics: ['requests'],
      limit: 1,
      other: true,
    }
    const first = (await (await post('properties', body)).json()) as Answer
    expect(first.rows).toEqual([{ feature: 'code', requests: 4 }])
    expect(first.other?.values).toEqual({ requests: 8 })
    expect(await (await post('properties', first.params)).json()).toEqual(first)
    const cohorts = (await (await post('cohorts', { weeks: [1, 2, 6], mode: 'streak' })).json()) as Answer
    expect(cohorts.columns.map(({ key }) => key)).toEqual(['cohort', 'size', 'w1', 'w2', 'w6', 'reason'])
    expect(await (await post('cohorts', cohorts.params)).json()).toEqual(cohorts)
  })

  it('says what is wrong with 400, and the nearest name', async () => {
    const wrong: [report: string, body: Record<string, unknown>, says: string][] = [
      ['cohorts', { mod: 'streak' }, 'Unknown parameter "mod". Did you mean "mode"?'],
      ['cohorts', { mode: 'streek' }, 'Did you mean "streak"?'],
      ['users', { mode: 'streak' }, 'The users report takes no mode.'],
      ['cohorts', { options: { moode: 'on' } }, 'Did you mean "mode"?'],
      ['cohorts', { options: { mode: 'on' }, mode: 'on' }, 'mode is given twice'],
      ['cohorts', { options: { constructor: 'x' } }, 'Unknown option of a report "constructor"'],
      ['users', { where: ' ' }, 'where is empty'],
      ['users', { having: '' }, 'having is empty'],
      ['cohorts', { options: 'mode' }, 'options must be an object'],
      ['cohorts', { weeks: 'x' }, 'Cannot read weeks "x"'],
      ['cohorts', { mode: { on: true } }, 'mode must be a text.'],
      ['users', { user: 5 }, 'user must be a text.'],
      ['users', { segment: {} }, 'segment must be a text.'],
      ['users', { by: [1] }, 'by in its parts must be a text.'],
      ['users', { sort: 'user', order_by: [['user', 'asc']] }, 'Give either sort or order_by'],
      ['users', { limit: '1e9' }, 'limit must be a whole number up to 10000'],
      ['users', { limit: 10_001 }, 'limit must be a whole number up to 10000'],
      ['users', { limit: true }, 'limit must be a whole number up to 10000'],
      ['users', { limit: -1 }, 'limit must be a whole number from 1'],
      ['users', { other: 'yes' }, 'other must be true or false'],
      ['users', { where: 'a'.repeat(20_000) }, 'at most 16384 are taken'],
      ['tiers', { tiers: { free: { where: 'a'.repeat(270_000) } } }, 'at most 262144 are taken'],
      ['tiers', { tiers: { free: { monthly_request_limits: 1 } } }, 'Did you mean "monthly_request_limit"?'],
      ['tiers', { tiers: 'no json' }, 'Tiers are no JSON'],
      ['users', { as_of: 'soon' }, 'Cannot read as-of "soon". Write a date'],
      ['users', { as_of: 5 }, 'as_of must be a text.'],
      ['users', { tz: 'Mars' }, 'Unknown time zone "Mars"'],
      ['weekly', { tz: 'Mars' }, 'Unknown time zone "Mars"'],
      ['cohort', {}, 'Did you mean "cohorts"?'],
    ]
    for (const [report, body, says] of wrong) {
      const response = await post(report, body)
      const { error } = (await response.json()) as { error: string }
      expect([body, response.status, error]).toEqual([body, 400, expect.stringContaining(says)])
    }
    for (const query of ['mod=streak', 'mode=streek', 'mode=on&mode=on', 'options=mode', 'weeks=x'])
      expect([query, (await get('cohorts', query)).status]).toEqual([query, 400])
    for (const body of [[], 'text', null]) expect([body, (await post('users', body)).status]).toEqual([body, 400])
    expect((await post('users', {}, '?limit=1')).status).toBe(400)
    expect((await post('users', { where: 'a'.repeat(1_100_000) })).status).toBe(413)
  })

  it('knows every option that a report may take', async () => {
    for (const name of Object.keys(reportOptions)) {
      const { error } = (await (await get('users', `${name}=x`)).json()) as { error: string }
      expect(error).toContain(`The users report takes no ${name}.`)
    }
  })
})
