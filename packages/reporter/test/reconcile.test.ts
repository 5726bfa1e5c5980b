import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { usageOf, type LlmCall, type Usage } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { run, temporaryFolder } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'ledger.db')
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

let made = 0
function call(
  at: string,
  provider: string,
  model: string,
  usage: Partial<Usage>,
  more: Partial<LlmCall> = {},
): LlmCall & { settled: true } {
  const id = (made++).toString(16)
  return {
    traceId: id.padStart(32, 'c'),
    spanId: id.padStart(16, 'd'),
    parentSpanId: undefined,
    role: 'call',
    startMs: Date.parse(at),
    durationMs: 100,
    timeToFirstTokenMs: undefined,
    operation: 'chat',
    provider,
    requestedModel: model,
    model,
    responseId: undefined,
    serviceTier: undefined,
    streamed: false,
    status: 'ok',
    errorClass: undefined,
    errorType: undefined,
    finishReason: undefined,
    usage: usageOf(usage),
    usageQuality: 'reported',
    parts: undefined,
    reportedCostNanoUsd: undefined,
    user: 'ada',
    session: undefined,
    properties: new Map(),
    resourceIdentity: undefined,
    origin: 'app',
    faults: [],
    settled: true,
    ...more,
  }
}

const haiku = 'claude-haiku-4-5-20251001'
beforeAll(async () => {
  const store = await openStore({ path })
  await store.write({
    calls: [
      call('2026-10-01T00:00:00Z', 'anthropic', haiku, {
        inputTokens: 900,
        cacheWrite5mTokens: 50,
        cacheWrite1hTokens: 50,
        outputTokens: 80,
        reasoningTokens: 20,
      }),
      call('2026-10-02T23:59:59Z', 'anthropic', haiku, { inputTokens: 1000, cacheReadTokens: 500 }),
      call('2026-10-03T00:00:00Z', 'anthropic', haiku, { inputTokens: 7 }),
      call('2026-10-01T12:00:00Z', 'anthropic', haiku, { inputTokens: 5000 }, { cacheHit: true }),
      call('2026-10-01T12:00:00Z', 'anthropic', haiku, { inputTokens: 5000 }, { origin: 'sample' }),
      call('2026-10-01T12:00:00Z', 'openai', 'gpt-4o', { inputTokens: 600, cacheReadTokens: 400, outputTokens: 10 }),
    ],
  })
  await store.close()
})

const anthropicUsage = file(
  'anthropic.csv',
  '\uFEFFusage_date_utc,model_version,api_key,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count\n' +
    `2026-10-01,${haiku},app,900,50,50,0,100,0\n2026-10-02,${haiku},app,"1,000",0,0,500,0,0\n2026-10-02,${haiku},batch job,100,0,0,0,25,0\n2026-10-02,claude-opus-4-8,somebody,10,0,0,0,1,2\n`,
)
const reconcile = (...args: string[]): ReturnType<typeof run> => run(['reconcile', ...args, '--store', path])

it('says by model and class how much of Anthropic’s account the ledger has, by UTC days, without cache hits and samples', async () => {
  const { code, out } = await reconcile(anthropicUsage, '--format', 'csv')
  expect(code).toBe(0)
  expect(out.split('\r\n')).toEqual([
    'group,class,invoice,ledger,gap,capture_rate',
    `${haiku},input_tokens,2000,1900,100,0.95`,
    `${haiku},cache_read_tokens,500,500,0,1`,
    `${haiku},cache_write_tokens,100,100,0,1`,
    `${haiku},output_tokens,125,100,25,0.8`,
    `${haiku},web_searches,0,0,0,`,
    'claude-opus-4-8,input_tokens,10,0,10,0',
    'claude-opus-4-8,cache_read_tokens,0,0,0,',
    'claude-opus-4-8,cache_write_tokens,0,0,0,',
    'claude-opus-4-8,output_tokens,1,0,1,0',
    'claude-opus-4-8,web_searches,2,0,2,0',
    '(all),input_tokens,2010,1900,110,0.945273',
    '(all),cache_read_tokens,500,500,0,1',
    '(all),cache_write_tokens,100,100,0,1',
    '(all),output_tokens,126,100,26,0.79365',
    '(all),web_searches,2,0,2,0',
    '',
  ])
})

it('says it by day, of a part of the account, and as JSON', async () => {
  const { out } = await reconcile(anthropicUsage, '--by', 'day', '--since', '2026-10-02', '--format', 'json')
  expect(JSON.parse(out)).toMatchObject({
    schema: 'reconcile/v1',
    params: { provider: 'anthropic', by: 'day' },
    meta: { from: '2026-10-02T00:00:00.000Z', to: '2026-10-03T00:00:00.000Z', unpriced_requests: 0 },
    rows: [
      { group: '2026-10-02', class: 'input_tokens', invoice: 1110, ledger: 1000, gap: 110 },
      { class: 'cache_read_tokens', capture_rate: 1 },
      { class: 'cache_write_tokens', capture_rate: null },
      { class: 'output_tokens', invoice: 26, ledger: 0 },
      { class: 'web_searches' },
    ],
    totals: [{ group: '(all)', class: 'input_tokens', invoice: 1110 }, {}, {}, {}, {}],
  })
})

it('counts input as OpenAI does, cached tokens included, and days as seconds', async () => {
  const usage = file(
    'openai.csv',
    `start_time,model,num_model_requests,input_tokens,input_cached_tokens,output_tokens\n${Date.UTC(2026, 9, 1) / 1000},gpt-4o,1,1000,400,10\n`,
  )
  const { out } = await reconcile(usage, '--format', 'csv')
  expect(out).toContain(
    '(all),requests,1,1,0,1\r\n(all),input_tokens,1000,1000,0,1\r\n(all),cache_read_tokens,400,400,0,1\r\n(all),output_tokens,10,10,0,1\r\n',
  )
})

it('compares costs of any table, to the nano-USD', async () => {
  const invoice = file('invoice.csv', 'Date,Model,Amount,Credit\n2026-10-01,GPT-4o,$0.0021,0.000000001\n')
  const { out } = await reconcile(
    invoice,
    '--provider',
    'openai',
    '--columns',
    'day=Date,model=Model,cost_usd=Amount+Credit',
    '--format',
    'csv',
  )
  expect(out.split('\r\n')[1]).toBe('gpt-4o,cost_usd,0.002100001,0.002100000,0.000000001,0.999999')
})

it('exits with 5 where less was captured than asked for', async () => {
  expect((await reconcile(anthropicUsage, '--fail-below', '0.7', '--quiet')).code).toBe(5)
  const { code, err } = await reconcile(anthropicUsage, '--fail-below', '0.95', '--quiet')
  expect(code).toBe(5)
  expect(err).toContain('Captured less than 0.95: input_tokens 0.945273, output_tokens 0.79365, web_searches 0.')
  const part = file('part.csv', `usage_date_utc,model_version,usage_input_tokens_no_cache\n2026-10-01,${haiku},900\n`)
  expect((await reconcile(part, '--fail-below', '1')).code).toBe(0)
})

it.each([
  [['nowhere.csv'], 2, 'Cannot read "nowhere.csv"'],
  [[file('odd.csv', 'a,b\n1,2\n')], 2, 'are not known: a, b. Say which is what'],
  [[file('bad.csv', 'usage_date_utc,usage_input_tokens_no_cache\n2026-10-01,-5\n')], 1, 'line 2 of'],
  [[file('day.csv', 'usage_date_utc,usage_input_tokens_no_cache\nsoon,5\n')], 1, '"soon" is no day'],
  [[file('own.csv', 'in\n5\n'), '--columns', 'input_tokens=in'], 2, 'Whose invoice is it?'],
  [[file('own2.csv', 'in\n5\n'), '--columns', 'input_tokens=in', '--provider', 'openai'], 2, 'The table has no days.'],
  [[file('own3.csv', 'in\n5\n'), '--columns', 'tokens=in'], 2, 'Fields: day, model'],
  [[file('own4.csv', 'in\n5\n'), '--columns', 'input_tokens=out'], 2, 'has no column "out"'],
  [[anthropicUsage, '--fail-below', 'all'], 2, 'give a rate from 0 to 1'],
])('refuses %j', async (args, code, words) => {
  const ran = await reconcile(...args)
  expect({ code: ran.code, out: ran.out }).toEqual({ code, out: '' })
  expect(ran.err).toContain(words)
})
