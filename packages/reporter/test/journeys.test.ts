import { join } from 'node:path'

import { beforeAll, describe, expect, it } from 'vitest'

import { lineOf, run, start, temporaryFolder } from './run-command.ts'

const names = ['onboarding', 'milestones', 'funnel', 'lifecycle', 'tasks'] as const
const own: Readonly<Record<string, readonly string[]>> = { funnel: ['--steps', 'signup, first_success, feature = search, goal:solved'] }

let made = 0

/** A span as OTLP's JSON, by seconds since the begin of 2026. */
function span(name: string, seconds: number, attributes: Readonly<Record<string, string | number>>): object {
  const id = String(++made)
  const at = `${Date.UTC(2026, 0, 1) / 1000 + seconds}000000000`
  return {
    traceId: id.padStart(32, 'a'),
    spanId: id.padStart(16, 'b'),
    name,
    startTimeUnixNano: at,
    endTimeUnixNano: at,
    attributes: Object.entries(attributes).map(([key, value]) => ({
      key,
      value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
    })),
  }
}

const call = (user: string, seconds: number, feature: string): object =>
  span('chat gpt-4o', seconds, {
    'user.id': user,
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.usage.input_tokens': 100,
    'property.Feature': feature,
  })
const task = (user: string, seconds: number, step: string | undefined, state: string): object =>
  span('spanledger.task', seconds, {
    'user.id': user,
    'spanledger.event.name': 'import',
    'spanledger.task.id': `${user}-1`,
    ...(step === undefined ? {} : { 'spanledger.task.step': step }),
    'spanledger.task.state': state,
  })
const milestone = (user: string, seconds: number, name: string): object =>
  span('spanledger.milestone', seconds, { 'user.id': user, 'spanledger.event.name': name })

const spans = [
  milestone('ada', 0, 'signup'),
  call('ada', 60, 'chat'),
  call('ada', 90, 'search'),
  span('spanledger.goal', 100, { 'user.id': 'ada', 'spanledger.event.name': 'solved' }),
  task('ada', 200, undefined, 'started'),
  task('ada', 260, 'upload', 'completed'),
  task('ada', 320, undefined, 'completed'),
  milestone('bob', 0, 'signup'),
  call('bob', 180, 'chat'),
  task('bob', 200, undefined, 'started'),
]

let store = ''
beforeAll(async () => {
  store = join(temporaryFolder(), 'ledger.db')
  const child = start(['collect', '--http-port', '0', '--grpc-port', 'off', '--store', store])
  const line = await lineOf(child.stdout, /http:\/\/127\.0\.0\.1:\d+\n/)
  const answer = await fetch(`${line.trim()}/v1/traces`, {
    method: 'POST',
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
    headers: { 'content-type': 'application/json' },
  })
  if (answer.status !== 200) throw new Error(await answer.text())
  const ended = new Promise((resolve) => child.on('close', resolve))
  child.kill('SIGTERM')
  await ended
})

const report = (name: string, ...more: readonly string[]) =>
  run(['report', name, ...(own[name] ?? []), ...more, '--store', store, '--as-of', '2026-02-01T00:00:00Z'])
const rowsOf = async (name: string, ...more: readonly string[]): Promise<Record<string, unknown>[]> => {
  const { out } = await report(name, ...more, '--format', 'json')
  return (JSON.parse(out) as { rows: Record<string, unknown>[] }).rows
}

describe('from spans of another process, through the collector', () => {
  it('onboarding knows how long it took from the sign-up', async () => {
    const [signedUp, request, , , , , value] = await rowsOf('onboarding')
    expect(signedUp).toMatchObject({ step: 'signed_up', users: 2, of: 2, basis: 'explicit' })
    expect(request).toMatchObject({ step: 'first_request', users: 2, of: 2, time_avg_s: 120, time_p50_s: 120, timed: 2 })
    expect(value).toMatchObject({ step: 'value', users: 2, time_avg_s: 140, explicit: 1, basis: 'mixed' })
  })

  it('milestones, a funnel and stages know what the app told', async () => {
    expect((await rowsOf('milestones')).at(-1)).toMatchObject({ milestone: 'goal:solved', users: 1, of: 2, rate: 0.5, time_p50_s: 100 })
    expect((await rowsOf('funnel')).map(({ step, users }) => [step, users])).toEqual([
      ['signup', 2],
      ['first_success', 2],
      ['feature = search', 1],
      ['goal:solved', 1],
    ])
    expect((await rowsOf('lifecycle')).map(({ stage, users }) => [stage, users])).toEqual([
      ['acquisition', 0],
      ['activation', 2],
      ['retention', 0],
      ['growth', 0],
    ])
  })

  it('tasks know which were completed, and trip a threshold', async () => {
    expect(await rowsOf('tasks')).toMatchObject([
      { kind: 'task', name: 'import', tasks: 2, completed: 1, timed_out: 1, completion_rate: 0.5, duration_p50_s: 120 },
      { kind: 'step', name: 'import', step: 'upload', tasks: 1, completed: 1, in_chain: 1, drop_off: 0.5 },
      { kind: 'goal', name: 'solved', completed: 1 },
    ])
    const tripped = await report('tasks', '--fail-on', 'completion_rate < 0.9')
    expect([tripped.code, tripped.err.includes('Threshold tripped')]).toEqual([5, true])
  })
})

describe.each(names)('report %s', (name) => {
  it.each(['table', 'csv', 'html'])('is written as %s', async (format) => {
    const { code, out } = await report(name, '--format', format, '--explain')
    expect(code).toBe(0)
    expect(out.trim().split('\n').length).toBeGreaterThan(2)
    expect(out).not.toMatch(/NaN|undefined|\[object/)
  })

  it('refuses what it does not take with 2, and says what was meant', async () => {
    const unknown = await run(['report', `${name}s`, '--store', store])
    expect([unknown.code, unknown.err.includes(`Did you mean "${name}"?`)]).toEqual([2, true])
    const option = await report(name, '--count', 'requests')
    expect([option.code, option.err]).toEqual([2, expect.stringContaining(`The ${name} report takes no count. It takes: `)])
  })
})

it.each([
  [['lifecycle', '--stage', 'growht'], 'growth'],
  [['funnel', '--steps', 'first_requst, first_success'], 'first_request'],
  [['milestones', '--within', 'fortnight'], '14d'],
  [['tasks', '--timeout', '5'], '24h'],
  [['onboarding', '--witin', '7d'], '--within'],
])('report %j ends with 2 and a hint', async ([name = '', ...more], hint) => {
  const { code, err } = await run(['report', name, ...more, '--store', store])
  expect([code, err.includes(hint)]).toEqual([2, true])
})

it('the API answers what the command answers', async () => {
  const child = start(['serve', '--port', '0', '--store', store, '--as-of', '2026-02-01T00:00:00Z'])
  const url = (await lineOf(child.stdout, /http:\/\/127\.0\.0\.1:\d+/)).trim()
  const steps = new URLSearchParams({ steps: 'signup, goal:solved', within: '7d' })
  const answer = (await (await fetch(`${url}/api/report/funnel?${steps}`)).json()) as { rows: { step: string; users: number }[] }
  expect(answer.rows.map(({ step, users }) => [step, users])).toEqual([
    ['signup', 2],
    ['goal:solved', 1],
  ])
  const refused = await fetch(`${url}/api/report/milestones?${new URLSearchParams({ advanced_features: ' ' })}`)
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('must name from 1 to 100')])
  child.kill()
})

it('all of them are listed and completed', async () => {
  const { out } = await run(['report'])
  for (const name of names) expect(out).toMatch(new RegExp(`^${name} +\\w`, 'm'))
  const { out: script } = await run(['completion', 'bash'])
  for (const word of [...names, '--steps', '--within', '--advanced-features', '--stage', '--timeout', '--free-plans'])
    expect(script).toContain(word)
})
