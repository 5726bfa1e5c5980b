import { request } from 'node:http'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import type { Answer } from '@spanledger/analytics'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { lineOf, start, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
const path = join(folder, 'ledger.db')
const TOKEN = 'a-token-of-more-than-thirty-two-characters'
let child: ReturnType<typeof start>
let url: string
beforeAll(async () => {
  await writeLedger(path, [
    { at: '2026-01-05T10:00:00Z', user: '<script>alert(1)</script>', session: 's1', properties: { plan: 'pro', feature: 'chat' } },
    { at: '2026-01-06T10:00:00Z', user: 'ada', properties: { plan: 'free' } },
  ])
  child = start(['serve', '--port', '0', '--store', path])
  url = (await lineOf(child.stdout, /http:\/\/127\.0\.0\.1:\d+/)).trim()
})
afterAll(() => {
  child.kill()
  rmSync(folder, { recursive: true })
})

describe('the page', () => {
  it('shows users, properties, models and sessions, and runs nothing', async () => {
    const response = await fetch(`${url}/?last=all&by=plan,feature`)
    const html = await response.text()
    expect(response.status).toBe(200)
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
    expect(Array.from(html.matchAll(/<h2 [^>]*>(.*)<\/h2>/g), ([, title]) => title)).toEqual([
      'Users',
      'By plan and feature',
      'Models',
      'Sessions',
    ])
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).not.toMatch(/<script|<style| style=| on\w+=/)
    expect((await fetch(`${url}/style.css`)).headers.get('content-type')).toBe('text/css; charset=utf-8')
  })

  it('says what is wrong in its form', async () => {
    const response = await fetch(`${url}/?${new URLSearchParams({ where: 'plann = "<b>"' })}`)
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('Unknown name &quot;plann&quot;. Did you mean &quot;plan&quot;?')
  })
})

describe('the API', () => {
  it('answers what the command answers', async () => {
    const report = (await (await fetch(`${url}/api/report/properties?by=property:plan&sort=requests:desc`)).json()) as {
      schema: string
      rows: unknown[]
    }
    expect([report.schema, report.rows.length]).toEqual(['properties/v1', 2])
    const query = await post({ metrics: ['requests', 'users'], by: ['property:plan'], where: ['is', 'property:plan', ['pro']] })
    expect(await query.json()).toMatchObject({ schema: 'query/v1', rows: [{ plan: 'pro', requests: 1, users: 1 }] })
  })

  it('goes through rows page by page, says what the others are together, and what the columns are', async () => {
    const ask = async (params: Record<string, string>): Promise<Answer> =>
      (await (
        await fetch(`${url}/api/report/users?${new URLSearchParams({ limit: '1', metrics: 'requests', sort: 'user:asc', ...params })}`)
      ).json()) as Answer
    const first = await ask({ other: 'true', explain: 'true' })
    const second = await ask({ after: first.meta.next ?? '' })
    const whole = await ask({ limit: '100' })
    expect([...first.rows, ...second.rows]).toEqual(whole.rows.slice(0, 2))
    expect(first.other?.rows).toBe(whole.rows.length - 1)
    expect(first.definitions?.map(({ key }) => key)).toEqual(['user', 'requests'])
    expect((await ask({ having: 'requests > 1000' })).rows).toEqual([])
    for (const wrong of ['other=yes', 'after=x', 'having=plan', 'attribution=half', 'user_prefix='])
      expect([wrong, (await fetch(`${url}/api/report/users?${wrong}`)).status]).toEqual([wrong, 400])
  })

  it('takes min_users and ci, and says what they cannot be', async () => {
    const ask = (report: string, params: Record<string, string>) => fetch(`${url}/api/report/${report}?${new URLSearchParams(params)}`)
    const told = (await (await ask('models', { ci: 'true', min_users: '2' })).json()) as Answer
    expect(told.meta.suppressed_rows).toBe(0)
    expect(told.columns.map(({ key }) => key)).toContain('error_rate_low')
    const wrong: [string, Record<string, string>][] = [
      ['models', { min_users: 'two' }],
      ['models', { min_users: '1' }],
      ['models', { ci: 'yes' }],
      ['users', { min_users: '2' }],
      ['anomalies', { ci: 'true' }],
    ]
    for (const [report, params] of wrong) expect([report, params, (await ask(report, params)).status]).toEqual([report, params, 400])
  })

  it('says what is wrong with a question', async () => {
    const wrong = await post({ metrics: ['reqests'] })
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      expect.objectContaining({ error: expect.stringContaining('Did you mean "requests"?') as unknown }),
    ])
    expect((await fetch(`${url}/api/report/nothing`)).status).toBe(400)
    expect((await fetch(`${url}/api/report/users?limt=1`)).status).toBe(400)
    expect((await fetch(`${url}/api/report/users?limit=1000000`)).status).toBe(400)
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404)
    expect((await post('{', {})).status).toBe(400)
  })

  it('refuses a parameter that is given twice, and names it', async () => {
    const wrong = await fetch(`${url}/api/report/users?limit=1&limit=2`)
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      { error: 'Parameter "limit" is given more than once. Give it once; lists have commas.', given: 'limit', allowed: [] },
    ])
    expect((await fetch(`${url}/?last=7d&last=28d`)).status).toBe(400)
  })

  it('takes queries as JSON only, and from no other site', async () => {
    expect((await post('{"metrics":["requests"]}', { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post({ metrics: ['requests'] }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1'])
      expect((await post({ metrics: ['requests'] }, { origin })).status).toBe(403)
    expect((await post({ metrics: ['requests'] }, { origin: new URL(url).origin })).status).toBe(200)
  })

  it('answers to its own names only', async () => {
    const { port } = new URL(url)
    expect(await statusWithHost(`localhost:${port}`)).toBe(200)
    expect(await statusWithHost(`evil.example:${port}`)).toBe(403)
    expect(await statusWithHost(`127.0.0.1.evil.example`)).toBe(403)
  })
})

describe('a server that writes to a file', () => {
  it('says there where it listens while it runs', async () => {
    const file = join(folder, 'address')
    const writing = start(['serve', '--port', '0', '--store', path, '--out', file])
    const ended = new Promise((resolve) => writing.on('close', resolve))
    await expect
      .poll(() => (existsSync(file) ? readFileSync(file, 'utf8') : ''), { timeout: 20_000 })
      .toMatch(/^listening dashboard http:\/\/127\.0\.0\.1:\d+\n$/)
    writing.kill('SIGINT')
    expect(await ended).toBe(0)
  })
})

describe('a server with a token', () => {
  it('answers nobody without it, and ends with 0 on SIGTERM', async () => {
    const guarded = start(['serve', '--port', '0', '--store', path], { env: { SPANLEDGER_TOKEN: TOKEN } })
    const at = (await lineOf(guarded.stdout, /http:\/\/127\.0\.0\.1:\d+/)).trim()
    const status = async (authorization?: string): Promise<number> =>
      (await fetch(at, { headers: authorization === undefined ? {} : { authorization } })).status
    expect(await status()).toBe(401)
    expect(await status(`Bearer ${TOKEN}x`)).toBe(401)
    expect(await status(`Bearer ${TOKEN}`)).toBe(200)
    expect(await status(`Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}`)).toBe(200)
    const ended = new Promise((resolve) => guarded.on('close', resolve))
    guarded.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/api/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** fetch does not let a caller choose the Host header. */
function statusWithHost(host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${url}/healthz`, { headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}
