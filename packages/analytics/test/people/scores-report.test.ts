import type { Store } from '@spanledger/store'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, type ReportParams, type Row } from '../../src/index.ts'
import { eventOf, scoreFacts, type EventWords, type ScoreWords } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

const AT = '2026-01-05T10:00:00Z'
const clock = { now: () => Date.parse('2026-02-01T00:00:00Z') }

async function report(
  name: string,
  { calls = [{ at: '2026-01-01T00:00:00Z', user: 'ada' }], feedback = [], goals = [], nps = [] }: Partial<Said>,
  params: ReportParams = {},
) {
  const store = await ledgerOf(calls)
  open.push(store)
  const events = [
    ...feedback.map(({ user, at = AT, ...words }) =>
      eventOf({ at, kind: 'feedback', user, says: scoreFacts({ name: 'relevance', ...words }) }),
    ),
    ...goals.map((words) => eventOf({ at: AT, kind: 'goal', ...words })),
    ...nps.map((value, n) => eventOf({ at: AT, kind: 'nps', user: `u${n}`, says: { 'nps.score': value } })),
  ]
  await store.write({ calls: [], events })
  return openAnalytics(store, clock).report(name, params)
}

interface Said {
  readonly calls: readonly CallWords[]
  readonly feedback: readonly (Partial<Pick<EventWords, 'user' | 'at'>> & ScoreWords)[]
  readonly goals: readonly Partial<EventWords>[]
  readonly nps: readonly number[]
}

describe('scores', () => {
  it('of people, rules and judging models are told each for itself, with the words given with them', async () => {
    const { rows } = await report('scores', {
      feedback: [
        { user: 'ada', value: 4, min: 1, max: 5, source: 'human' },
        { user: 'ben', value: 2, min: 1, max: 5, source: 'human' },
        { user: 'ada', value: 0.9, source: 'judge', label: 'relevant', about: 'r1' },
        { user: 'ada', value: 0.5, source: 'judge', label: 'relevant', about: 'r2' },
        { value: 0.1, source: 'judge', label: 'off topic', about: 'r3' },
      ],
    })
    const judged = { name: 'relevance', source: 'judge', scores: 3, users: 1, mean: 0.5, min: 0.1, max: 0.9, satisfaction: null }
    expect(rows).toEqual([
      { ...judged, labels: 'relevant 2, off topic 1' },
      { name: 'relevance', source: 'human', scores: 2, users: 2, mean: 3, min: 2, max: 4, satisfaction: 5, labels: null },
    ])
  })

  it('that were given again count once, as last given', async () => {
    const { rows } = await report('scores', {
      feedback: [
        { user: 'ada', value: 1, at: '2026-01-05T10:00:00Z' },
        { user: 'ada', value: 3, at: '2026-01-06T10:00:00Z' },
        { user: 'ada', value: 2, at: '2026-01-05T11:00:00Z' },
      ],
    })
    expect(rows).toMatchObject([{ scores: 1, users: 1, mean: 3 }])
  })

  it('are none in an empty ledger, and are not asked for by what only calls have', async () => {
    expect((await report('scores', { calls: [] })).rows).toEqual([])
    await expect(report('scores', {}, { where: 'model = gpt-4o' })).rejects.toThrow(/only calls have a model/)
  })
})

it('quality has the goals of each feature, and the share of calls that went well of those not cancelled', async () => {
  const call = (feature: string, status: CallWords['status'] = 'ok'): CallWords => ({
    at: AT,
    user: 'ada',
    status,
    properties: { feature },
  })
  const { rows } = await report(
    'quality',
    {
      calls: [call('chat'), call('chat'), call('chat', 'error'), call('chat', 'cancelled'), call('search')],
      goals: [
        { user: 'ada', says: { 'goal.success': true }, session: 's1', properties: { feature: 'chat' } },
        { user: 'ben', says: { 'goal.success': false }, session: 's2', properties: { feature: 'chat' } },
      ],
    },
    { order_by: [['feature', 'asc']] },
  )
  expect(
    rows.map(({ feature, technical_success, goals_told, goal_success }) => ({ feature, technical_success, goals_told, goal_success })),
  ).toEqual([
    { feature: 'chat', technical_success: 2 / 3, goals_told: 2, goal_success: 0.5 },
    { feature: 'search', technical_success: 1, goals_told: 0, goal_success: null },
  ])
})

it('a goal told of a session holds for the requests in it, by feature and by segment, with how many requests that says anything of', async () => {
  const call = (session: string | undefined, feature: string, user = 'ada'): CallWords => ({
    at: AT,
    user,
    session,
    properties: { feature },
  })
  const ledger = {
    calls: [
      call('s1', 'chat'),
      call('s1', 'chat'),
      call('s1', 'search'),
      call('s2', 'chat', 'ben'),
      call('s3', 'search', 'ben'),
      call(undefined, 'chat'),
    ],
    goals: [
      // Of a session, without a feature; the last goal in it decides.
      { user: 'ada', says: { 'goal.success': false, 'event.name': 'first' }, session: 's1' },
      { user: 'ada', says: { 'goal.success': true, 'event.name': 'second' }, session: 's1', at: '2026-01-05T11:00:00Z' },
      { user: 'ben', says: { 'goal.success': false }, session: 's2' },
    ],
  }
  const told = ({ outcome_success: success, outcome_coverage: coverage }: Row) => [success, coverage]
  const byFeature = await report('quality', ledger, { order_by: [['feature', 'asc']], having: ['gt', 'requests', 0] })
  expect(byFeature.rows.map((row) => [row['feature'], ...told(row)])).toEqual([
    ['chat', 2 / 3, 3 / 4],
    ['search', 1, 1 / 2],
  ])
  expect(told(byFeature.totals)).toEqual([3 / 4, 4 / 6])
  const bySegment = await report('quality', ledger, { by: ['segment'], having: ['gt', 'requests', 0] })
  expect(bySegment.columns.map(({ key }) => key)).not.toContain('feature')
  expect(bySegment.rows.map(told)).toEqual([[3 / 4, 4 / 6]])
  const byModel = await report('models', ledger, { more_metrics: ['outcome_requests', 'outcome_success'] })
  expect(byModel.rows).toMatchObject([{ outcome_requests: 4, outcome_success: 3 / 4 }])
  // What is said of one call goes before what is said of its session, whose end tells least.
  const [first, second] = [callOf(call('s1', 'chat')), Object.assign(callOf(call('s1', 'chat')), { responseId: 'r2' })]
  const store = await ledgerOf([])
  open.push(store)
  await store.write({ calls: [first, second, callOf(call('s1', 'search'))], events: [] })
  await store.write({
    calls: [],
    events: [
      eventOf({ kind: 'session_end', at: AT, user: 'ada', session: 's1', says: { 'session.outcome': 'completed' } }),
      eventOf({
        kind: 'goal',
        at: AT,
        user: 'ada',
        says: { 'goal.success': false, 'target.trace_id': first.traceId, 'target.span_id': first.spanId },
      }),
      eventOf({ kind: 'goal', at: AT, user: 'ada', says: { 'goal.success': false, 'gen_ai.response.id': 'r2' } }),
    ],
  })
  const ofCalls = await openAnalytics(store, clock).report('quality', { order_by: [['requests', 'desc']], limit: 2 })
  expect(ofCalls.rows.map((row) => [row['feature'], row['outcome_success'], row['outcome_coverage']])).toEqual([
    ['chat', 0, 1],
    ['search', 1, 1],
  ])
  expect((await report('quality', { calls: ledger.calls })).totals).toMatchObject({ outcome_success: null, outcome_coverage: 0 })
})

it('NPS comes with the interval that its answers leave open (metrics 2, F3)', async () => {
  const { rows } = await report('nps', { nps: [10, 9, 9, 8, 7, 6, 3, 10, 10, 5] })
  const told = rows.find(({ nps_answers }) => nps_answers === 10)
  expect(told?.['nps']).toBeCloseTo(20, 9)
  expect(told?.['nps_low']).toBeCloseTo(-34.03, 2)
  expect(told?.['nps_high']).toBeCloseTo(74.03, 2)
  expect((await report('nps', { nps: [10] })).rows).toMatchObject([{ nps: 100, nps_low: null, nps_high: null }])
})
