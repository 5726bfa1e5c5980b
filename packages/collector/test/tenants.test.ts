import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { addToken } from '@spanledger/collector'
import { describe, expect, it } from 'vitest'

import { readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

const TOKEN = 'a-token-of-more-than-thirty-two-characters'
const body = (user: string): Uint8Array<ArrayBuffer> => serialize.protobuf(makeSpans([{ attributes: callAttributes({ 'user.id': user }) }]))
const withToken = (token: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${token}` } })

describe('one token', () => {
  it('is asked of every request, and it alone: a host name is no matter then', async () => {
    const { httpUrl, path, close } = await startCollector({ host: '0.0.0.0', token: TOKEN })
    const url = httpUrl.replace('0.0.0.0', '127.0.0.1')
    const answers = [
      await post(url, body('ada')),
      await post(url, body('ada'), withToken(`${TOKEN}x`)),
      await post(url, body('ada'), withToken(TOKEN.toUpperCase())),
      await post(url, body('ada'), { headers: { authorization: `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}` } }),
      await post(url, body('ada'), { headers: { authorization: `bearer ${TOKEN}`, host: 'collector:4318' } }),
      await post(url, 'x', { path: '/v1/metrics' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 200, 401])
    expect(answers[0]?.headers.get('www-authenticate')).toBe('Bearer')
    await close()
    expect((await readLines(path)).map(({ user }) => user)).toEqual(['ada'])
  })
})

describe('a file of tokens', () => {
  it('sends what each tenant sends to a ledger of its own, and nothing to another', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    const [acme, globex] = [addToken(tokenFile, 'acme'), addToken(tokenFile, 'globex')]
    const { httpUrl, close } = await startCollector({ path, store: { path }, tokenFile })
    const answers = await Promise.all([
      post(httpUrl, body('ada'), withToken(acme)),
      post(httpUrl, body('bob'), withToken(globex)),
      post(httpUrl, body('cyd'), withToken(acme)),
      post(httpUrl, body('eve'), withToken(acme.replace('sl_', 'sl-'))),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 401])
    await close()
    const usersOf = async (tenant: string): Promise<string[]> =>
      (await readLines(path.replace('ledger.db', `ledger.${tenant}.db`))).map(({ user }) => user).sort()
    expect([await usersOf('acme'), await usersOf('globex'), existsSync(path)]).toEqual([['ada', 'cyd'], ['bob'], false])
  })

  it('may have more tenants than stay open, all sending at once, and one whose ledger cannot be opened', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    const tenants = Array.from({ length: 80 }, (_, n) => ({ tenant: `t${n}`, token: addToken(tokenFile, `t${n}`) }))
    const broken = addToken(tokenFile, 'broken')
    mkdirSync(path.replace('ledger.db', 'ledger.broken.db'))
    const faults: unknown[] = []
    const { httpUrl, close } = await startCollector({ path, store: { path }, tokenFile, onFault: (fault) => faults.push(fault) })
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all([
        ...tenants.map(({ token }) => post(httpUrl, body(`u${round}`), withToken(token))),
        ...[1, 2, 3].map(() => post(httpUrl, body('ada'), withToken(broken))),
      ])
      expect(answers.map(({ status }) => status)).toEqual([...tenants.map(() => 200), 503, 503, 503])
    }
    await close()
    for (const { tenant } of tenants) {
      expect((await readLines(path.replace('ledger.db', `ledger.${tenant}.db`))).map(({ user }) => user).sort()).toEqual(['u0', 'u1', 'u2'])
    }
    expect(faults).toHaveLength(9)
  })

  it('may belong to ledgers that cannot be made as asked: senders keep what they have, and it is said why', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    const token = addToken(tokenFile, 'acme')
    const faults: unknown[] = []
    const pricesPath = join(dirname(path), 'prices.json')
    writeFileSync(pricesPath, '{"prices":[]}')
    const { httpUrl } = await startCollector({ path, store: { path, pricesPath }, tokenFile, onFault: (fault) => faults.push(fault) })
    writeFileSync(pricesPath, 'no JSON')
    expect((await post(httpUrl, body('ada'), withToken(token))).status).toBe(503)
    expect(faults).toEqual([expect.objectContaining({ message: expect.stringContaining('prices.json') as string })])
  })

  it('holds hashes, not tokens, and only its owner may read it', () => {
    const tokenFile = join(tempFolder(), 'tokens')
    const token = addToken(tokenFile, 'acme')
    expect(readFileSync(tokenFile, 'utf8')).toMatch(/^sha256:[0-9a-f]{64} tenant=acme\n$/)
    expect(readFileSync(tokenFile, 'utf8')).not.toContain(token.slice(3))
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
    expect(token.length).toBeGreaterThan(40)
  })

  it('counts as it is now: a token that is added or taken out does so without a restart', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    const first = addToken(tokenFile, 'acme')
    const { httpUrl } = await startCollector({ path, store: { path }, tokenFile })
    const statusOf = async (token: string): Promise<number> => (await post(httpUrl, body('ada'), withToken(token))).status
    const second = addToken(tokenFile, 'acme')
    await sleep(1100)
    expect([await statusOf(first), await statusOf(second)]).toEqual([200, 200])
    rmSync(tokenFile)
    await sleep(1100)
    expect(await statusOf(second)).toBe(200)
    writeFileSync(tokenFile, '# nobody\n')
    await sleep(1100)
    expect([await statusOf(first), await statusOf(second)]).toEqual([401, 401])
  })

  it('that becomes faulty leaves the tokens as they were, which is said, and counts again when it is mended', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    const first = addToken(tokenFile, 'acme')
    const faults: unknown[] = []
    const { httpUrl } = await startCollector({ path, store: { path }, tokenFile, onFault: (fault) => faults.push(fault) })
    const statusOf = async (token: string): Promise<number> => (await post(httpUrl, body('ada'), withToken(token))).status
    writeFileSync(tokenFile, 'sha256:abc tenant=acme\n')
    const second = addToken(tokenFile, 'acme')
    await sleep(1100)
    expect([await statusOf(first), await statusOf(second)]).toEqual([200, 401])
    expect(faults).toMatchObject([{ kind: 'bad_option', message: expect.stringContaining('line 1') as string }])
    writeFileSync(tokenFile, readFileSync(tokenFile, 'utf8').replace(/.*\n/, ''))
    await sleep(1100)
    expect([await statusOf(first), await statusOf(second), faults.length]).toEqual([401, 200, 1])
  })

  it('that ends in the middle of a line has both tokens after one is added', async () => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    const first = addToken(tokenFile, 'acme')
    writeFileSync(tokenFile, readFileSync(tokenFile, 'utf8').trimEnd())
    const second = addToken(tokenFile, 'globex')
    const { httpUrl } = await startCollector({ path, store: { path }, tokenFile })
    expect((await post(httpUrl, body('ada'), withToken(first))).status).toBe(200)
    expect((await post(httpUrl, body('bob'), withToken(second))).status).toBe(200)
  })

  it.each([
    ['a line that says nothing', 'acme\n', 'line 1'],
    ['a name that is a path', `sha256:${'a'.repeat(64)} tenant=../etc\n`, 'line 1'],
    ['a hash that is cut off', `\nsha256:abc tenant=acme\n`, 'line 2'],
  ])('is refused at the start with %s', async (_name, text, place) => {
    const path = join(tempFolder(), 'ledger.db')
    const tokenFile = join(dirname(path), 'tokens')
    writeFileSync(tokenFile, text)
    await expect(startCollector({ path, store: { path }, tokenFile })).rejects.toThrow(place)
  })

  it('is refused for a tenant whose name cannot be a part of a file name', () => {
    const tokenFile = join(tempFolder(), 'tokens')
    for (const name of ['', '../x', 'Acme', 'a b', 'a'.repeat(65), 'ä'])
      expect(() => addToken(tokenFile, name)).toThrow('cannot be a tenant')
  })
})

it('a tenant may be called as the queue of --forward is, and the ledger have no extension', async () => {
  const folder = tempFolder()
  const tokenFile = join(folder, 'tokens')
  const token = addToken(tokenFile, 'forward')
  const { httpUrl, close } = await startCollector({ path: join(folder, 'spanledger'), tokenFile, forward: 'http://127.0.0.1:1' })
  expect((await post(httpUrl, body('ada'), withToken(token))).status).toBe(200)
  await close()
  expect((await readLines(join(folder, 'spanledger.forward'))).map(({ user }) => user)).toEqual(['ada'])
})
