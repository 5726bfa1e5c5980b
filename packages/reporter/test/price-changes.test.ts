import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, expect, it } from 'vitest'

import { run, temporaryFolder } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, json: unknown): string => {
  const path = join(folder, name)
  writeFileSync(path, JSON.stringify(json))
  return path
}

const half = file('half.json', { prices: [{ provider: 'openai', model: 'gpt-4.1-nano', factor: '0.5' }] })
const list = file('list.json', {
  'gpt-4.1-nano': { litellm_provider: 'openai', input_cost_per_token: 1e-7, output_cost_per_token: 4e-7 },
  'gpt-77': { litellm_provider: 'openai', input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 },
  long: { litellm_provider: 'openai', input_cost_per_token: 1e-6, input_cost_per_token_above_200k_tokens: 2e-6 },
})

it('prices diff shows each unit price that changes, and says where none does', async () => {
  const { code, out } = await run(['prices', 'diff', 'bundled', half, '--at', '2026-10-01', '--format', 'csv'])
  expect(code).toBe(0)
  expect(out.split('\r\n').slice(0, 3)).toEqual([
    'provider,model,tier,input_tokens_above,unit,before,after',
    'openai,gpt-4.1-nano,standard,,inputTokens,0.1,0.05',
    'openai,gpt-4.1-nano,standard,,cacheReadTokens,0.025,0.0125',
  ])
  expect(await run(['prices', 'diff', half, half])).toEqual({ code: 0, out: '', err: 'Both say the same.\n' })
  expect((await run(['prices', 'diff', 'bundled', half, '--provider', 'anthropic'])).out).toBe('')
})

it('prices import adds what is new to the user’s file, for its owner only, once, and leaves what is in it', async () => {
  const own = join(folder, 'own.json')
  const add = (...more: string[]): ReturnType<typeof run> =>
    run(['prices', 'import', list, '--prices', own, '--from', '2026-10-01', ...more])
  const dry = await add('--dry-run', '--format', 'json')
  expect(JSON.parse(dry.out)).toMatchObject({
    schema: 'price-import/v1',
    rows: expect.arrayContaining([expect.objectContaining({ model: 'gpt-77', unit: 'inputTokens', before: null, after: '1' })]),
  })
  expect(dry.err).toContain('1 of 2 prices are new, 1 are in force already; nothing is written (--dry-run).')
  expect(existsSync(own)).toBe(false)

  const { code, err } = await add()
  expect(code).toBe(0)
  expect(err).toContain(`written to ${own}`)
  expect(err).toContain('1 models are left out')
  expect(statSync(own).mode & 0o777).toBe(0o600)
  const row = {
    provider: 'openai',
    model: 'gpt-77',
    from: '2026-10-01',
    usdPerMillion: { inputTokens: '1', outputTokens: '2' },
    note: 'from list.json',
  }
  expect(JSON.parse(readFileSync(own, 'utf8'))).toEqual({ prices: [row] })
  expect((await add()).err).toContain('0 of 2 prices are new, 2 are in force already; nothing to write.')

  await run(['prices', 'import', half, '--prices', own, '--from', '2026-11-01'])
  expect((await run(['prices', 'import', half, '--prices', own, '--from', '2026-11-01'])).err).toContain('0 of 1 prices are new')
  expect(JSON.parse(readFileSync(own, 'utf8'))).toMatchObject({ prices: [row, { factor: '0.5', from: '2026-11-01' }] })
})

it.each([
  [['diff', 'bundled', 'nowhere.json'], 2, 'Cannot read the price overrides in nowhere.json'],
  [['diff', 'bundled', half, '--at', 'soon'], 2, '--at "soon": give a date'],
  [['import', 'nowhere.json'], 2, 'Cannot read "nowhere.json"'],
  [['import', list, '--from', '2026-13-01'], 2, '--from "2026-13-01": give a date'],
  [['import', list, '--prices', join(folder, 'no', 'such.json')], 1, 'Its folder must exist and be writable.'],
])('prices %j is refused, and says what to do', async (args, code, words) => {
  const ran = await run(['prices', ...args], { cwd: folder })
  expect(ran.code).toBe(code)
  expect(ran.err).toContain(words)
  expect(existsSync(join(folder, 'prices.json'))).toBe(false)
})

it('a file of prices that cannot be used is wrong usage, as files of segments and tiers are', async () => {
  for (const [prices, words] of [
    ['nowhere.json', 'Cannot read the price overrides in nowhere.json'],
    [list, 'must hold { "prices": [ … ] }'],
  ] as const) {
    const { code, err } = await run(['import', 'helicone', list, '--prices', prices, '--dry-run'], { cwd: folder })
    expect([prices, code, err]).toEqual([prices, 2, expect.stringContaining(words)])
  }
})
