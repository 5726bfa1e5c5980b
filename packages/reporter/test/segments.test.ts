import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
const file = join(folder, 'segments.json')
beforeAll(async () => {
  await writeLedger(path, [
    { at: '2026-01-01T10:00:00Z', user: 'ada', properties: { plan: 'free' } },
    { at: '2026-01-02T10:00:00Z', user: 'ada', properties: { plan: 'pro' } },
    { at: '2026-01-01T11:00:00Z', user: 'bob', properties: { plan: 'free' } },
  ])
  writeFileSync(file, JSON.stringify({ paying: { where: 'plan = pro' }, trial: { where: 'plan = free' } }))
})
afterAll(() => rmSync(folder, { recursive: true }))

const AS_OF = '2026-01-03T12:00:00Z'
const ask = (args: readonly string[], env = {}): ReturnType<typeof run> =>
  run([...args, '--store', path, '--as-of', AS_OF, '--quiet', '--format', 'csv'], { env })
const rowsOf = async (args: readonly string[], env = {}): Promise<string[]> => (await ask(args, env)).out.trimEnd().split('\r\n').slice(1)

it('segments of a file stand in reports, queries and --segment, from the option or the environment', async () => {
  expect(await rowsOf(['report', 'users', '--segments', file, '--columns', 'user,segment', '--sort', 'user:asc'])).toEqual([
    'ada,paying',
    'bob,trial',
  ])
  expect(await rowsOf(['report', 'users', '--segment', 'trial', '--columns', 'user'], { SPANLEDGER_SEGMENTS: file })).toEqual(['bob'])
  expect(await rowsOf(['query', '{"metrics":["requests"],"by":["segment"],"order_by":[["segment","asc"]]}', '--segments', file])).toEqual([
    'paying,2',
    'trial,1',
  ])
  expect(await rowsOf(['report', 'segments', '--segments', file, '--columns', 'segment,users'])).toEqual([
    'power,0',
    'casual,0',
    'new,0',
    'at_risk,0',
    'churned,0',
    'paying,1',
    'trial,1',
  ])
})

it('their history is told by day, and as moves', async () => {
  const history = await rowsOf([
    'report',
    'segments',
    '--segments',
    file,
    '--history',
    '--columns',
    'period,segment,users,moved_in,moved_out,complete',
  ])
  expect(history.filter((row) => /paying|trial/.test(row))).toEqual([
    '2026-01-01,paying,0,0,0,true',
    '2026-01-01,trial,2,2,0,true',
    '2026-01-02,paying,1,1,0,true',
    '2026-01-02,trial,1,0,1,true',
    '2026-01-03,paying,1,0,0,false',
    '2026-01-03,trial,1,0,0,false',
  ])
  expect(await rowsOf(['report', 'segments', '--segments', file, '--history', 'moves', '--since', '2026-01-02'])).toEqual([
    'trial,paying,1,0.5',
    'trial,trial,1,0.5',
  ])
})

it('a file may begin with the mark that editors of Windows write', async () => {
  const marked = join(folder, 'marked.json')
  writeFileSync(marked, `\uFEFF${JSON.stringify({ paying: { where: 'plan = pro', monthly_request_limit: 5 } })}`)
  expect(await rowsOf(['report', 'users', '--segments', marked, '--segment', 'paying', '--columns', 'user'])).toEqual(['ada'])
  const tiers = join(folder, 'tiers.json')
  writeFileSync(tiers, `\uFEFF${JSON.stringify({ pro: { where: 'plan = pro', monthly_request_limit: 5 } })}`)
  expect(await rowsOf(['report', 'tiers', '--tiers', tiers, '--columns', 'user,tier'])).toEqual(['ada,pro'])
})

it('a file that cannot be meant, and a name that is in none, are wrong usage', async () => {
  writeFileSync(join(folder, 'broken.json'), '{')
  const modeless = join(folder, 'modeless.json')
  writeFileSync(modeless, JSON.stringify({ mode: ['multi'], segments: {} }))
  for (const [args, words] of [
    [['--segments', join(folder, 'absent.json')], 'cannot be read'],
    [['--segments', join(folder, 'broken.json')], 'is no JSON'],
    [['--segments', modeless], 'Unknown mode of segments "[\\"multi\\"]". Allowed: exclusive, multi.'],
    [['--segments', file, '--segment', 'trials'], 'Did you mean "trial"?'],
    [['--segment', 'trial'], 'Unknown segment "trial"'],
  ] as const) {
    const { code, err } = await ask(['report', 'users', ...args])
    expect([code, err]).toEqual([2, expect.stringContaining(words)])
  }
})
