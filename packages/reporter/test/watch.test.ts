import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { run, start, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
beforeAll(() => writeLedger(path, [{ at: '2026-01-05T10:00:00Z', user: 'ada' }]))
afterAll(() => rmSync(folder, { recursive: true }))

const report = ['report', 'models', '--columns', 'requests', '--format', 'ndjson', '--quiet', '--store', path]

describe('--watch', () => {
  it('shows the report again and again, with what came in, until interrupted', async () => {
    const child = start([...report, '--watch', '1s'])
    const ended = new Promise((resolve) => child.on('close', resolve))
    let out = ''
    for await (const chunk of child.stdout ?? []) {
      if (out === '') await writeLedger(path, [{ at: '2026-01-05T11:00:00Z', user: 'bob' }])
      out += String(chunk)
      if (out.includes('{"requests":2}')) child.kill('SIGINT')
    }
    expect(out.startsWith('{"requests":1}\n')).toBe(true)
    expect(out).not.toContain('\u001b')
    expect(await ended).toBe(130)
  })

  it('ends when a threshold trips', async () => {
    expect(await run([...report, '--watch', '1s', '--fail-on', 'requests >= 2'])).toMatchObject({ code: 5, out: '{"requests":2}\n' })
  })

  it.each([
    [['--watch', '5'], 'give seconds or minutes'],
    [['--watch', '0s'], 'give seconds or minutes'],
    [['--watch', '5s', '--out', join(folder, 'x')], 'Leave one of them out'],
  ])('%j is refused', async (args, says) => {
    const { code, err } = await run([...report, ...args])
    expect([code, err]).toEqual([2, expect.stringContaining(says)])
  })
})

describe('--color', () => {
  const table = ['report', 'models', '--columns', 'model,requests', '--store', path]
  const isColoured = async (args: string[], env: Record<string, string> = {}): Promise<boolean> =>
    (await run([...table, ...args], { env })).out.includes('\u001b[')

  it('always and never say so against the environment, which says so against where it goes', async () => {
    expect(await isColoured([])).toBe(false)
    expect(await isColoured(['--color', 'always'], { NO_COLOR: '1' })).toBe(true)
    expect(await isColoured(['--color', 'never'], { FORCE_COLOR: '1' })).toBe(false)
    expect(await isColoured([], { FORCE_COLOR: '1' })).toBe(true)
    expect(await isColoured([], { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false)
    expect(await isColoured([], { FORCE_COLOR: '0' })).toBe(false)
  })
})

describe('--columns', () => {
  it('computes metrics that a report does not have by itself', async () => {
    const ask = async (name: string, columns: string): Promise<string> =>
      (await run(['report', name, '--columns', columns, '--format', 'csv', '--quiet', '--store', path])).out
    expect(await ask('models', 'model,web_searches,latency_p99_ms')).toMatch(/^model,web_searches,latency_p99_ms\r\ngpt-4o\/openai,0,/)
    expect(await ask('users', 'user,reported_cost_usd')).toMatch(/^user,reported_cost_usd\r\nada,\r\n/)
  })
})
