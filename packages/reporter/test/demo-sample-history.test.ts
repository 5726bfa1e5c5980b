import { createHash } from 'node:crypto'

import { readCall, readEvent, type LlmCall, type SpanRecord } from '@spanledger/conventions'
import { describe, expect, it } from 'vitest'

import { sampleHistory } from '../src/demo/sample-history.ts'
import { sampleUsers, type Life } from '../src/demo/sample-user.ts'

const DAY_MS = 86_400_000
const until = Date.UTC(2026, 2, 11, 15, 30)
const spans = [...sampleHistory({ until })].flat()
const calls = spans.map((span) => readCall(span, 'app')).filter((call) => call !== undefined)
const events = spans.map((span) => readEvent(span, 'app')).filter((event) => event !== undefined)
const people = sampleUsers({ count: 300, seed: 1 })
const callsOfUser = callsBy('user')
const daysAgo = ({ startMs }: LlmCall): number => (until - startMs) / DAY_MS

const digest = (all: readonly SpanRecord[]): string => createHash('sha256').update(JSON.stringify(all)).digest('hex')
const callsOf = (life: Life): LlmCall[][] => people.filter((user) => user.life === life).map(({ id }) => callsOfUser.get(id) ?? [])
const between = (all: readonly LlmCall[], from: number, to: number): number =>
  all.filter((call) => daysAgo(call) < from && daysAgo(call) >= to).length

const onDay = (day: number): number =>
  calls.filter(({ startMs, user }) => user !== undefined && new Date(startMs).getUTCDay() === day).length
const atHours = (from: number, to: number): number =>
  calls.filter(
    ({ startMs, properties }) =>
      properties.get('country')?.value === 'GB' && new Date(startMs).getUTCHours() >= from && new Date(startMs).getUTCHours() < to,
  ).length
const valuesOf = (key: string): Set<string | undefined> => new Set(calls.map(({ properties }) => properties.get(key)?.value))

function callsBy(key: 'user' | 'session' | 'traceId'): Map<string | undefined, LlmCall[]> {
  const groups = new Map<string | undefined, LlmCall[]>()
  for (const call of calls) {
    const group = groups.get(call[key])
    if (group === undefined) groups.set(call[key], [call])
    else group.push(call)
  }
  return groups
}

describe('sample history', () => {
  it('is the same for the same options and another one for another seed or end', () => {
    const small = { until, weeks: 3, users: 40, seed: 5 }
    const first = digest([...sampleHistory(small)].flat())
    expect(digest([...sampleHistory(small)].flat())).toBe(first)
    expect(digest([...sampleHistory({ ...small, seed: 6 })].flat())).not.toBe(first)
    expect(digest([...sampleHistory({ ...small, until: until + DAY_MS })].flat())).not.toBe(first)
  })

  it('has tens of thousands of calls in its twelve weeks, none after the end', () => {
    expect(calls.length).toBeGreaterThan(30_000)
    expect(calls.length).toBeLessThan(60_000)
    expect(spans.filter(({ endMs }) => endMs > until)).toEqual([])
    expect(spans.every(({ startMs, endMs }) => startMs >= until - 84 * DAY_MS && endMs >= startMs)).toBe(true)
  })

  it('marks every call as a sample and every call reads without a fault', () => {
    expect(new Set(calls.map(({ origin }) => origin))).toEqual(new Set(['sample']))
    expect(new Set(calls.flatMap(({ faults }) => faults))).toEqual(new Set())
    expect(new Set(calls.map(({ role }) => role))).toEqual(new Set(['call']))
    expect(spans.filter((span) => span.attributes['spanledger.sample'] !== true)).toEqual([])
  })

  it('holds no other spans than calls and events of no length, all read without a fault', () => {
    const others = spans.filter((span) => readCall(span, 'app') === undefined)
    expect(events).toHaveLength(others.length)
    expect(others.every(({ startMs, endMs }) => startMs === endMs)).toBe(true)
    expect(new Set(events.map(({ origin }) => origin))).toEqual(new Set(['sample']))
    expect(new Set(events.flatMap(({ faults }) => faults))).toEqual(new Set())
    expect(new Set(events.map(({ kind }) => kind))).toEqual(
      new Set(['feedback', 'nps', 'revenue', 'plan_change', 'milestone', 'goal', 'task']),
    )
  })

  it('has users who sign up once, before they call, and sessions in which goals are reached and tasks completed, or not', () => {
    const signUps = events.filter(({ kind, name }) => kind === 'milestone' && name === 'signup')
    expect(new Set(signUps.map(({ user }) => user)).size).toBe(signUps.length)
    expect(signUps.length).toBeGreaterThan(100)
    for (const { user, startMs } of signUps) {
      expect((callsOfUser.get(user) ?? []).every((call) => call.startMs >= startMs)).toBe(true)
    }
    const goals = events.filter(({ kind }) => kind === 'goal')
    expect(new Set(goals.map(({ outcome }) => outcome))).toEqual(new Set(['success', 'failure']))
    const sessions = new Set(calls.map(({ session }) => session))
    const tasks = events.filter(({ kind }) => kind === 'task')
    expect([...goals, ...tasks].every(({ session }) => sessions.has(session))).toBe(true)
    expect(new Set(tasks.map(({ step }) => step))).toEqual(new Set([undefined, 'upload', 'review', 'export']))
    const ended = tasks.filter(({ step, outcome }) => step === undefined && outcome === 'completed').length
    const begun = tasks.filter(({ step, outcome }) => step === undefined && outcome === 'started').length
    expect(ended / begun).toBeGreaterThan(0.6)
    expect(ended).toBeLessThan(begun)
  })

  it('has thumbs about answers it holds, of happy users mostly up', () => {
    const answers = new Set(calls.map(({ responseId }) => responseId))
    const thumbs = events.filter(({ kind }) => kind === 'feedback')
    expect(thumbs.length).toBeGreaterThan(1000)
    expect(thumbs.every(({ target }) => answers.has(target?.id))).toBe(true)
    expect(new Set(thumbs.map(({ value }) => value))).toEqual(new Set([0, 1]))
    expect(thumbs.reduce((sum, { value = 0 }) => sum + value, 0) / thumbs.length).toBeGreaterThan(0.7)
  })

  it('books what the paying users pay, from the day on which they begin to', () => {
    const paid = events.filter(({ kind }) => kind === 'revenue')
    expect(new Set(paid.map(({ amountNanoUsd = 0 }) => amountNanoUsd / 1e9))).toEqual(new Set([20, 60, 300]))
    const changes = events.filter(({ kind }) => kind === 'plan_change')
    expect(changes.length).toBeGreaterThan(0)
    for (const { user, startMs } of changes) {
      expect(paid.filter((one) => one.user === user).every((one) => one.startMs >= startMs)).toBe(true)
    }
    const free = new Set(people.filter(({ plan, upgrade }) => plan === 'free' && upgrade === undefined).map(({ id }) => id))
    expect(paid.filter(({ user }) => free.has(user))).toEqual([])
  })

  it('gives every span an id of its own, of the right form', () => {
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length)
    expect(spans.every(({ traceId, spanId }) => /^[0-9a-f]{32}$/.test(traceId) && /^[0-9a-f]{16}$/.test(spanId))).toBe(true)
    const responseIds = calls.map(({ responseId }) => responseId).filter((id) => id !== undefined)
    expect(new Set(responseIds).size).toBe(responseIds.length)
  })

  it('comes in batches of finished spans, in the order in which they ended', () => {
    for (const batch of sampleHistory({ until, weeks: 2, users: 30 })) {
      expect(batch.map(({ endMs }) => endMs)).toEqual(batch.map(({ endMs }) => endMs).toSorted((a, b) => a - b))
    }
  })
})

describe('lives', () => {
  it('gives new users to every week', () => {
    const firstSeen = people.filter(({ id }) => id !== undefined).map(({ id }) => Math.max(...(callsOfUser.get(id) ?? []).map(daysAgo)))
    const newByWeek = Array.from({ length: 12 }, (_, week) => firstSeen.filter((days) => days >= week * 7 && days < week * 7 + 7).length)
    expect(Math.min(...newByWeek)).toBeGreaterThan(0)
  })

  it.each([
    ['power', (all: LlmCall[]) => between(all, 30, 0) >= 100],
    ['new', (all: LlmCall[]) => between(all, 84, 28) === 0 && all.length > 0],
    ['one_time', (all: LlmCall[]) => all.length > 0 && new Set(all.map(({ session }) => session)).size === 1],
    ['churned', (all: LlmCall[]) => all.length > 0 && between(all, 30, 0) === 0],
    ['resurrected', (all: LlmCall[]) => between(all, 84, 51) > 0 && between(all, 49, 14) === 0 && between(all, 14, 0) > 0],
    ['at_risk', (all: LlmCall[]) => between(all, 28, 14) >= 5 && between(all, 14, 0) <= between(all, 28, 14) / 2],
    ['abuser', (all: LlmCall[]) => between(all, 7, 0) > 20 * between(all, 84, 7)],
  ] as const)('shows each %s user as one', (life, holds) => {
    const all = callsOf(life)
    expect(all.length).toBeGreaterThan(0)
    const wrong = all.filter((one) => !holds(one))
    // Chance may keep a power user away for a month or let an at-risk one linger; hardly ever more than one in ten.
    expect(wrong.length).toBeLessThanOrEqual(Math.floor(all.length / 10))
  })

  it('has one abuser, whose calls often fail on the rate limit', () => {
    const [abuse, ...others] = callsOf('abuser')
    expect(others).toEqual([])
    const limited = abuse?.filter(({ errorClass }) => errorClass === 'rate_limit') ?? []
    expect(limited.length / (abuse?.length ?? 0)).toBeGreaterThan(0.2)
  })

  it('is quieter on weekends and at night', () => {
    expect(onDay(6) + onDay(0)).toBeLessThan(onDay(2) + onDay(3))
    expect(atHours(1, 5)).toBeLessThan(atHours(9, 13) / 5)
  })
})

describe('what the calls look like', () => {
  it('covers plans, features, environments, versions and countries', () => {
    expect(valuesOf('plan')).toEqual(new Set(['free', 'pro', 'team', 'enterprise']))
    expect(valuesOf('feature')).toEqual(new Set(['chat', 'document_analysis', 'summary', 'code_review', 'search']))
    expect(valuesOf('environment')).toEqual(new Set(['production', 'staging', 'development']))
    expect(valuesOf('app_version')).toEqual(new Set(['2.3.0', '2.4.0', '2.5.0']))
    expect(valuesOf('country').size).toBe(7)
  })

  it('covers eight models of four providers', () => {
    expect(new Set(calls.map(({ provider, requestedModel }) => `${provider} ${requestedModel}`))).toEqual(
      new Set([
        'openai gpt-4o-mini',
        'openai gpt-5-mini',
        'openai gpt-4.1',
        'openai text-embedding-3-small',
        'anthropic claude-sonnet-4-5',
        'anthropic claude-haiku-4-5',
        'gcp.gemini gemini-2.5-flash',
        'ollama in-house-llama-70b',
      ]),
    )
  })

  it('has every kind of tokens that text has, and calls whose usage nobody knows', () => {
    const sum = (bucket: keyof NonNullable<LlmCall['usage']>): number =>
      calls.reduce((total, { usage }) => total + (usage?.[bucket] ?? 0), 0)
    for (const bucket of [
      'inputTokens',
      'cacheReadTokens',
      'cacheWrite5mTokens',
      'cacheWrite1hTokens',
      'outputTokens',
      'reasoningTokens',
    ] as const) {
      expect([bucket, sum(bucket) > 0]).toEqual([bucket, true])
    }
    expect(calls.some(({ status, usage }) => status === 'ok' && usage === undefined)).toBe(true)
    expect(calls.some(({ timeToFirstTokenMs }) => timeToFirstTokenMs !== undefined)).toBe(true)
  })

  it('fails in every class that users meet, and some of those calls are tried again in the same session', () => {
    expect(new Set(calls.map(({ errorClass }) => errorClass))).toEqual(
      new Set([
        undefined,
        'rate_limit',
        'timeout',
        'server_error',
        'model_error',
        'context_length',
        'content_filter',
        'cancelled',
        'truncated',
      ]),
    )
    const bySession = [...callsBy('session').values()]
    const triedAgain = bySession.filter((all) =>
      all.some(({ errorClass }, index) => errorClass === 'server_error' && all[index + 1]?.status === 'ok'),
    )
    expect(triedAgain.length).toBeGreaterThan(50)
  })

  it('has a few calls of nobody, and two calls in the trace of a search', () => {
    const anonymous = calls.filter(({ user }) => user === undefined).length / calls.length
    expect(anonymous).toBeGreaterThan(0.01)
    expect(anonymous).toBeLessThan(0.1)
    const searches = [...callsBy('traceId').values()].filter((all) => all.length > 1)
    expect(searches.length).toBeGreaterThan(100)
    expect(new Set(searches.map((all) => all.map(({ operation }) => operation).join()))).toEqual(new Set(['embeddings,chat']))
  })
})
