import { createServer } from 'node:net'
import { statSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { lineOf, run, start, temporaryFolder } from './run-command.ts'

const request = JSON.stringify({
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: [
            {
              traceId: '0123456789abcdef0123456789abcdef',
              spanId: '0123456789abcdef',
              name: 'chat gpt-4o',
              startTimeUnixNano: '1767607200000000000',
              endTimeUnixNano: '1767607201000000000',
              attributes: [
                { key: 'gen_ai.operation.name', value: { stringValue: 'chat' } },
                { key: 'gen_ai.provider.name', value: { stringValue: 'openai' } },
                { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o' } },
                { key: 'gen_ai.usage.input_tokens', value: { intValue: '1000' } },
                { key: 'user.id', value: { stringValue: 'ada' } },
              ],
            },
          ],
        },
      ],
    },
  ],
})

describe('spanledger collect', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'prints a line for each listener, takes OTLP, and on %s ends with 0; the report has the call',
    async (signal) => {
      const path = join(temporaryFolder(), 'ledger.db')
      const child = start(['collect', '--http-port', '0', '--grpc-port', '0', '--store', path])
      // V8 says so there where it does not know an option that was set.
      let said = ''
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
      const lines = await lineOf(
        child.stdout,
        /^listening otlp\/http http:\/\/127\.0\.0\.1:\d+\nlistening otlp\/grpc http:\/\/127\.0\.0\.1:\d+\n$/,
      )
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(lines)?.[0] ?? ''
      const answer = await fetch(`${url}/v1/traces`, { method: 'POST', body: request, headers: { 'content-type': 'application/json' } })
      expect([answer.status, await answer.text()]).toEqual([200, '{}'])
      const ended = new Promise((resolve) => child.on('close', resolve))
      child.kill(signal)
      expect([await ended, said]).toEqual([0, ''])
      const report = await run(['report', 'users', '--store', path, '--format', 'json'])
      expect((JSON.parse(report.out) as { rows: unknown[] }).rows).toMatchObject([{ user: 'ada', requests: 1, cost_usd: '0.002500000' }])
    },
  )

  it('says what is wrong with an address: 4 where others could reach it, 1 where it is taken, 2 where it is none', async () => {
    const path = join(temporaryFolder(), 'ledger.db')
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const open = await run(['collect', '--host', '0.0.0.0', '--http-port', '0', '--grpc-port', 'off', '--store', path])
    const inUse = await run(['collect', '--http-port', String(port), '--grpc-port', 'off', '--store', path])
    const none = await run(['collect', '--grpc-port', 'on', '--store', path])
    taken.close()
    expect([open.code, inUse.code, none.code]).toEqual([4, 1, 2])
    expect(open.err).toContain('token')
    expect(inUse.err).toContain('EADDRINUSE')
    expect(none.err).toContain('--grpc-port "on"')
  })

  it('refuses a ledger that it cannot open before it listens', async () => {
    const folder = temporaryFolder()
    const refused = await run(['collect', '--http-port', '0', '--grpc-port', 'off', '--store', folder])
    expect([refused.code, refused.out, refused.err]).toEqual([1, '', expect.stringContaining('is a folder') as unknown])
  })
})

describe('spanledger tokens add', () => {
  it('prints a token by which a collector knows the tenant', async () => {
    const folder = temporaryFolder()
    const tokenFile = join(folder, 'tokens')
    const added = await run(['tokens', 'add', '--tenant', 'acme', '--token-file', tokenFile])
    expect([added.code, added.out]).toEqual([0, expect.stringMatching(/^sl_[\w-]{43}\n$/) as unknown])
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
    const child = start([
      'collect',
      '--http-port',
      '0',
      '--grpc-port',
      'off',
      '--token-file',
      tokenFile,
      '--store',
      join(folder, 'costs.db'),
    ])
    const url = (await lineOf(child.stdout, /http:\/\/127\.0\.0\.1:\d+/)).trim()
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${added.out.trim()}` }
    expect((await fetch(`${url}/v1/traces`, { method: 'POST', body: request, headers })).status).toBe(200)
    const ended = new Promise((resolve) => child.on('close', resolve))
    child.kill()
    await ended
    const report = await run(['report', 'users', '--store', join(folder, 'costs.acme.db'), '--format', 'csv', '--columns', 'user,requests'])
    expect(report.out).toContain('ada,1')
  })

  it('refuses a name that cannot be a part of a file name', async () => {
    const refused = await run(['tokens', 'add', '--tenant', '../x', '--token-file', join(temporaryFolder(), 'tokens')])
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('a-z, 0-9, _ and -') as unknown])
  })
})
