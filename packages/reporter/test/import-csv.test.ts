import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { attributes as names, readCall } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'
import { afterAll, describe, expect, it } from 'vitest'

import { readColumnMap } from '../src/import/column-map.ts'
import { localTimes, type TimeFormat } from '../src/import/read-time.ts'
import { csvSource } from '../src/import/sources.ts'
import { contentsOf, fileOf, folder, imported, importInto, newLedger, type OpenSource } from './import-kit.ts'
import { run } from './run-command.ts'

afterAll(() => rmSync(folder, { recursive: true }))

interface Rules {
  readonly zoneName?: string
  readonly format?: TimeFormat
  readonly delimiter?: string
  readonly provider?: string
  readonly inputIncludesCache?: boolean
}

const csv =
  (columns: string, { zoneName = 'UTC', format = 'auto', delimiter = ',', provider, inputIncludesCache }: Rules = {}): OpenSource =>
  (file) =>
    csvSource(file, {
      map: readColumnMap({ columns }),
      times: { format, zone: localTimes(zoneName) },
      zoneName,
      delimiter,
      provider,
      counting: { inputIncludesCache, outputIncludesReasoning: undefined },
    })

async function callsOf(text: string, open: OpenSource): Promise<unknown[]> {
  return (await imported([fileOf(text, '.csv')], open)).calls
}

describe('a row of a table', () => {
  it('becomes a call as the map of its columns says', async () => {
    const text = `At,Ended,Who,Conv,Vendor,Asked,Got,in,cached,out,thinking,usd,HTTP,Why,Plan,"Unit, cost"
2026-01-05T10:00:00Z,2026-01-05T10:00:01.5Z, ada ,s-1,OpenAI,gpt-4o,gpt-4o-2024-08-06,100,64,20.0,8,0.00037,200,stop,pro,"a ""b"""
`
    const map = join(folder, 'map.json')
    writeFileSync(
      map,
      JSON.stringify({
        time: 'At',
        end: 'Ended',
        user: 'Who',
        session: 'Conv',
        provider: 'Vendor',
        requested_model: 'Asked',
        model: 'Got',
        input: 'in',
        cache_read: 'cached',
        output: 'out',
        reasoning: 'thinking',
        cost: 'usd',
        status: 'HTTP',
        finish_reason: 'Why',
        'property:Plan': 'Plan',
        'property:unit': 'Unit, cost',
      }),
    )
    const store = newLedger()
    expect((await run(['import', 'csv', fileOf(text, '.csv'), '--map', map, '--store', store])).code).toBe(0)
    const { out } = await run(['export', 'calls', '--store', store])
    expect(JSON.parse(out)).toMatchObject({
      start: '2026-01-05T10:00:00.000Z',
      user: 'ada',
      session: 's-1',
      provider: 'openai',
      requested_model: 'gpt-4o',
      response_model: 'gpt-4o-2024-08-06',
      status: 'ok',
      finish_reason: 'stop',
      latency_ms: 1500,
      input_tokens: 36,
      cache_read_tokens: 64,
      output_tokens: 12,
      reasoning_tokens: 8,
      cost_usd: '0.000370000',
      properties: '{"plan":"pro","unit":"a \\"b\\""}',
    })
  })

  it('counts cached tokens within the input or beside it, as is said', async () => {
    const text = 'time,model,in,cached\n1767607200,gpt-4o,100,64\n'
    const columns = 'time=time,model=model,input=in,cache_read=cached'
    expect(await callsOf(text, csv(columns, { provider: 'openai' }))).toMatchObject([{ input_tokens: 36, cache_read_tokens: 64 }])
    expect(await callsOf(text, csv(columns, { provider: 'openai', inputIncludesCache: false }))).toMatchObject([
      { input_tokens: 100, cache_read_tokens: 64 },
    ])
  })

  it.each([
    ['200', 'ok', null],
    ['Success', 'ok', null],
    ['429', 'error', 'rate_limit'],
    ['FAILED', 'error', 'other'],
    ['cancelled', 'cancelled', 'cancelled'],
    ['', 'ok', null],
    ['wobbly', 'ok', null],
  ])('with the status "%s" is %s', async (word, status, error) => {
    expect(await callsOf(`time,s\n1767607200,${word}\n`, csv('time=time,status=s'))).toMatchObject([{ status, error }])
  })

  it('with a word for its status that nobody knows counts, and the word is counted too', async () => {
    const { tallies } = await imported([fileOf('time,s\n1767607200,wobbly\n', '.csv')], csv('time=time,status=s'))
    expect(tallies[0]).toMatchObject({ imported: 1, mended: { status_not_understood: 1 } })
  })

  it('with an error and no status failed', async () => {
    expect(await callsOf('time,e\n1767607200,context_length_exceeded\n1767607201,\n', csv('time=time,error=e'))).toMatchObject([
      { status: 'error', error: 'context_length' },
      { status: 'ok', error: null },
    ])
  })

  it('says nothing in cells that hold what databases write for nothing', async () => {
    const text = 'time,who,plan,in\n1767607200,None,\\N,NULL\n1767607201, null ,nan,12.0\n'
    const { calls, tallies } = await imported([fileOf(text, '.csv')], csv('time=time,user=who,property:plan=plan,input=in'))
    expect(calls).toMatchObject([
      { user: null, properties: '{}', input_tokens: null },
      { user: null, properties: '{}', input_tokens: 12 },
    ])
    expect(tallies[0]).toMatchObject({ mended: {} })
  })

  it('is read with another separator, and at the local time of a zone', async () => {
    expect(
      await callsOf(
        'time;model\n2026-07-01 02:00:00;gpt-4o\n',
        csv('time=time,model=model', { delimiter: ';', zoneName: 'Europe/Berlin' }),
      ),
    ).toMatchObject([{ start: '2026-07-01T00:00:00.000Z', response_model: 'gpt-4o' }])
  })
})

describe('a call counts once', () => {
  it('though 19 rows tell of its one answer, in one file or over several', async () => {
    const row = (n: number): string => `${n},2026-01-05T10:00:${String(n).padStart(2, '0')}Z,msg_1,anthropic,claude-sonnet-4-5,10,5`
    const head = 'id,time,answer,provider,model,in,out'
    const open = csv('id=id,time=time,response_id=answer,provider=provider,model=model,input=in,output=out')
    const rows = Array.from({ length: 19 }, (_, n) => row(n))
    const file = (some: readonly string[]): string => fileOf([head, ...some].join('\n'), '.csv')
    const once = await imported([file(rows)], open)
    expect(once.calls).toMatchObject([{ start: '2026-01-05T10:00:00.000Z', input_tokens: 10 }])
    expect(once.users).toMatchObject([{ requests: 1 }])
    expect(once.tallies).toMatchObject([{ records: 19, imported: 19, repeated: 18 }])
    const apart = await imported([file(rows.slice(12)), file(rows.slice(5)), file(rows.slice(0, 9))], open)
    expect(apart.calls).toEqual(once.calls)
    expect(apart.users).toEqual(once.users)
  })

  it('though its span came by OTLP too', async () => {
    const traceId = '5b8efff798038103d269b633813fc60c'
    const store = await openStore({ path: newLedger() })
    const span = {
      traceId,
      spanId: 'eee19b7ec3c1b174',
      parentSpanId: undefined,
      name: 'chat gpt-4o',
      startMs: Date.UTC(2026, 0, 5, 10) + 0.25,
      endMs: Date.UTC(2026, 0, 5, 10, 0, 1),
      statusCode: 0,
      statusMessage: undefined,
      scopeName: '',
      scopeVersion: '',
      attributes: {
        [names.operationName]: 'chat',
        [names.providerName]: 'openai',
        [names.requestModel]: 'gpt-4o',
        [names.inputTokens]: 10,
        [names.outputTokens]: 5,
      },
      resourceAttributes: {},
      droppedAttributes: 0,
    }
    const call = readCall(span, 'otlp')
    await store.write({ calls: call === undefined ? [] : [call] })
    const rows = `time,trace,span,parent,model,in,out
2026-01-05T10:00:00.000Z,5B8EFFF7-9803-8103-D269-B633813FC60C,EEE19B7EC3C1B174,,gpt-4o,10,5
2026-01-05T09:59:59.900Z,${traceId},aaaaaaaaaaaaaaaa,,gpt-4o,10,5
2026-01-05T10:00:00.100Z,${traceId},bbbbbbbbbbbbbbbb,aaaaaaaaaaaaaaaa,gpt-4o,10,5
`
    const open = csv('time=time,trace_id=trace,span_id=span,parent_span_id=parent,model=model,input=in,output=out', { provider: 'openai' })
    const tally = await importInto(store, fileOf(rows, '.csv'), { open })
    // The second row wraps the third, which is the real call.
    expect(tally).toMatchObject({ records: 3, imported: 2, already_there: 1, repeated: 1 })
    const { calls } = await contentsOf(store)
    await store.close()
    expect(calls).toMatchObject([{ origin: 'otlp' }, { origin: 'import', span_id: 'bbbbbbbbbbbbbbbb' }])
  })

  it('by what its row says, where the row has no id', async () => {
    const open = csv('time=time,model=m,input=in')
    const text = 'time,m,in,note\n1767607200,gpt-4o,10,a\n1767607200,gpt-4o,10,b\n1767607200,gpt-4o,11,a\n'
    const { tallies } = await imported([fileOf(text, '.csv'), fileOf(text.replaceAll('note', 'other'), '.csv')], open)
    expect(tallies).toMatchObject([
      { imported: 2, already_there: 1 },
      { imported: 0, already_there: 3 },
    ])
    const path = newLedger()
    const store = await openStore({ path })
    const file = fileOf('time,a,b\n1767607200,1,2\n', '.csv')
    expect(await importInto(store, file, { open: csv('time=time,property:a=a,property:b=b') })).toMatchObject({ imported: 1 })
    expect(await importInto(store, file, { open: csv('property:b=b,property:a=a,time=time') })).toMatchObject({ already_there: 1 })
    await store.close()
  })
})

describe('spanledger import csv', () => {
  const text = 'id,created_at,customer,extra,__proto__\n1,2026-01-05T10:00:00Z,ada,x,polluted\n'

  it('shows with --dry-run how rows are understood and what is not mapped, and writes nothing', async () => {
    const store = newLedger()
    const args = ['import', 'csv', fileOf(text, '.csv'), '--columns', 'id=id,time=created_at,user=customer', '--dry-run', '--store', store]
    const { code, out, err } = await run(args)
    expect(code).toBe(0)
    expect(out).toMatch(/Time +User[^]*2026-01-05T10:00:00.000Z +ada/)
    expect(err).toContain('not mapped: extra, __proto__')
    const json = JSON.parse((await run([...args, '--format', 'json'])).out) as { first: unknown[]; not_mapped: string[]; totals: unknown }
    expect(json).toMatchObject({
      schema: 'import/v1',
      dry_run: true,
      not_mapped: ['extra', '__proto__'],
      totals: { records: 1, calls: 1, imported: 0, unpriced: 1 },
    })
    expect(json.first).toMatchObject([{ user: 'ada', cost_usd: null }])
    expect((await run(['report', 'users', '--store', store])).err).toContain('There is no ledger')
  })

  it('takes a column named __proto__ like any other', async () => {
    const store = newLedger()
    await run(['import', 'csv', fileOf(text, '.csv'), '--columns', 'time=created_at,user=__proto__,property:tier=extra', '--store', store])
    expect(JSON.parse((await run(['export', 'calls', '--store', store])).out)).toMatchObject({
      user: 'polluted',
      properties: '{"tier":"x"}',
    })
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it.each([
    ['a target that nobody knows', ['--columns', 'tim=created_at'], 'Unknown target "tim". Allowed: time, end'],
    ['no time', ['--columns', 'user=customer'], 'Say which column is the time'],
    ['a target twice', ['--columns', 'time=created_at,user=id,user=customer'], '"user" is given twice'],
    ['a property twice', ['--columns', 'time=created_at,property:A-b=id,property:a_B=customer'], '"property:a_B" is given twice'],
    ['a property that every object has', ['--columns', 'time=created_at,property:__proto__=id'], 'cannot be the name of a property'],
    ['half a pair', ['--columns', 'time=created_at,user'], 'write TARGET=COLUMN'],
    ['neither map', [], 'either --columns'],
    ['both maps', ['--columns', 'time=created_at', '--map', 'x'], 'either --columns'],
    ['a map that is not there', ['--map', '/nowhere/map.json'], 'cannot be read as JSON'],
    ['a zone that is none', ['--columns', 'time=created_at', '--tz', 'Mars/Olympus'], 'is no time zone'],
    ['a separator of two characters', ['--columns', 'time=created_at', '--delimiter', '||'], 'give one character'],
    ['a column that is not there', ['--columns', 'time=made'], 'has no column "made". It has: "id", "created_at"'],
  ])('refuses %s, and says what is allowed', async (_what, args, says) => {
    const { code, out, err } = await run(['import', 'csv', fileOf(text, '.csv'), '--store', newLedger(), ...args])
    expect([code, out, err]).toEqual([2, '', expect.stringContaining(says)])
  })

  it('refuses a column of the map that stands there twice', async () => {
    const twice = fileOf('time,a,a\n1767607200,1,2\n', '.csv')
    const { code, err } = await run(['import', 'csv', twice, '--columns', 'time=time,input=a', '--store', newLedger()])
    expect([code, err]).toEqual([2, expect.stringContaining('has two columns "a"')])
    expect((await run(['import', 'csv', twice, '--columns', 'time=time', '--store', newLedger()])).code).toBe(0)
  })
})
