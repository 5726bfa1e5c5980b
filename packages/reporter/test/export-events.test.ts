import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { readEvent } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'
import { afterAll, expect, it } from 'vitest'

import { run, temporaryFolder } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'events.db')

const revenue = (n: number, amount: string, user: string): NonNullable<ReturnType<typeof readEvent>> => {
  const event = readEvent(
    {
      traceId: n.toString(16).padStart(32, '0'),
      spanId: n.toString(16).padStart(16, '0'),
      parentSpanId: undefined,
      name: 'spanledger.revenue',
      startMs: Date.UTC(2026, 0, n),
      endMs: Date.UTC(2026, 0, n),
      statusCode: 0,
      statusMessage: undefined,
      scopeName: 'test',
      scopeVersion: '1',
      attributes: { 'spanledger.revenue.amount': amount, 'spanledger.revenue.id': `in_${n}`, 'user.id': user, 'property.Plan': 'pro' },
      resourceAttributes: {},
      droppedAttributes: 0,
    },
    'app',
  )
  if (event === undefined) throw new Error('no event')
  return event
}

it('spanledger export events writes every event with exact money, in any of its formats', async () => {
  const store = await openStore({ path })
  await store.write({ calls: [], events: [revenue(5, '19.99', '=cmd'), revenue(6, '-0.000000001', 'ada')] })
  await store.close()
  const ask = (...args: string[]): ReturnType<typeof run> => run(['export', 'events', ...args, '--store', path])
  const head =
    'start,trace_id,span_id,kind,name,source,user,session,target_kind,target,outcome,previous,value,min,max,amount_usd,task,step,period,origin,properties'
  const line = (n: number, user: string, amount: string): string =>
    `2026-01-0${n}T00:00:00.000Z,${String(n).padStart(32, '0')},${String(n).padStart(16, '0')},revenue,revenue,human,${user},,entry,in_${n},,,,,,${amount},,,,app,"{""plan"":""pro""}"`
  expect((await ask('--format', 'csv')).out).toBe([head, line(5, "'=cmd", '19.990000000'), line(6, 'ada', '-0.000000001'), ''].join('\r\n'))
  expect((await ask('--where', 'user = ada')).out.split('\n').filter((text) => text !== '')).toHaveLength(1)
  expect((await ask('--format', 'csv', '--until', '2025-01-01')).out).toBe(`${head}\r\n`)
  expect((await ask('--format', 'html')).code).toBe(2)
  const parquet = join(folder, 'events.parquet')
  expect((await ask('--format', 'parquet', '--out', parquet)).code).toBe(0)
  expect(await ask('--where', 'model = gpt-4o')).toMatchObject({ code: 2, err: expect.stringContaining('Events are filtered by user') })
})
