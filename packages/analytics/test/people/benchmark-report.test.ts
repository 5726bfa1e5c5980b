import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics } from '../../src/index.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const AS_OF = Date.parse('2026-04-01T00:00:00Z')
const names = Array.from({ length: 11 }, (_, n) => `p${String(n + 1).padStart(2, '0')}`)

describe('benchmark', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    // p01 to p11 are pro, since February; pNN makes NN calls in March, those from p06 on with two features.
    const pro = names.flatMap((user, n): CallWords[] => [
      { at: '2026-02-20T10:00:00Z', user, properties: { plan: 'pro', feature: 'old' } },
      ...Array.from({ length: n + 1 }, (_, k): CallWords => ({
        at: `2026-03-${String(k + 5).padStart(2, '0')}T10:00:00Z`,
        user,
        properties: { plan: 'pro', environment: n === 0 ? 'test' : 'live', feature: n >= 5 && k === 0 ? 'code' : 'chat' },
      })),
    ])
    store = await ledgerOf([
      ...pro,
      // As old, and free by its latest call.
      { at: '2026-02-20T10:00:00Z', user: 'moved', properties: { plan: 'pro' } },
      { at: '2026-03-10T10:00:00Z', user: 'moved', properties: { plan: 'free' } },
      { at: '2026-03-11T10:00:00Z', user: 'moved', properties: { plan: '' } },
      { at: '2026-03-12T10:00:00Z', user: 'fresh', properties: { plan: 'pro' } },
      { at: '2026-03-12T10:00:00Z' },
    ])
    const rated = names.map((user, n) =>
      eventOf({
        at: '2026-03-20T00:00:00Z',
        kind: 'feedback',
        user,
        says: scoreFacts({ name: 'stars', value: n === 0 ? 1 : 5, min: 1, max: 5 }),
      }),
    )
    await store.write({
      calls: [],
      events: [
        ...rated,
        eventOf({
          at: '2026-03-20T00:00:00Z',
          kind: 'goal',
          user: 'p04',
          session: 's1',
          says: { 'event.name': 'sent', 'goal.success': true },
        }),
        eventOf({
          at: '2026-03-21T00:00:00Z',
          kind: 'goal',
          user: 'p04',
          session: 's2',
          says: { 'event.name': 'sent', 'goal.success': true },
        }),
        // Told anew: the later counts. Steps of a task are no goals, and February is not asked for.
        eventOf({
          at: '2026-03-20T00:00:00Z',
          kind: 'goal',
          user: 'p05',
          session: 's1',
          says: { 'event.name': 'sent', 'goal.success': true },
        }),
        eventOf({
          at: '2026-03-22T00:00:00Z',
          kind: 'goal',
          user: 'p05',
          session: 's1',
          says: { 'event.name': 'sent', 'goal.success': false },
        }),
        eventOf({
          at: '2026-03-22T00:00:00Z',
          kind: 'goal',
          user: 'p05',
          says: { 'event.name': 'sent', 'goal.success': true, 'task.id': 't', 'task.step': 'one' },
        }),
        eventOf({
          at: '2026-02-22T00:00:00Z',
          kind: 'goal',
          user: 'p06',
          session: 's1',
          says: { 'event.name': 'sent', 'goal.success': true },
        }),
      ],
    })
    analytics = openAnalytics(store, { now: () => AS_OF })
  })
  afterAll(() => store.close())

  const march = { since: '2026-03-01' }

  it('takes segments as tiers: each user is compared with those of its own', async () => {
    const own = openAnalytics(store, { now: () => AS_OF, segments: { busy: { having: 'requests >= 9' } } })
    const members = (await own.report('segment_members', march)).rows
    const segmentOf = new Map(members.map(({ user, segment }) => [user, segment]))
    const { rows, meta } = await own.report('benchmark', { ...march, by: ['segment'] })
    expect(new Set(segmentOf.values())).toEqual(new Set(['busy', 'at_risk', 'casual', 'new']))
    expect(rows.map(({ user, tier }) => [user, tier])).toEqual(rows.map(({ user }) => [user, segmentOf.get(user ?? null)]))
    for (const { tier, tenure, peers } of rows)
      expect(peers).toBe(rows.filter((row) => row['tier'] === tier && row['tenure'] === tenure).length)
    expect(meta.warnings.at(-1)).toMatch('peers have the same "segment"')
  })

  it('takes tiers or a property, not both', async () => {
    const tiers = JSON.stringify({ pro: { where: 'plan = pro' } })
    await expect(analytics.report('benchmark', { by: ['segment'], options: { tiers } })).rejects.toThrow(/either/)
  })

  it('compares with users of the same tier and tenure', async () => {
    const { rows, meta } = await analytics.report('benchmark', march)
    const pro = names.map((user) => [user, 'pro', '30-90 d', 11, false])
    // In the order of requests, equals by name: moved made as many as p02, fresh as p01.
    expect(rows.map(({ user, tier, tenure, peers, suppressed }) => [user, tier, tenure, peers, suppressed])).toEqual([
      ...pro.slice(2).toReversed(),
      ['moved', 'free', '30-90 d', 1, true],
      pro[1],
      ['fresh', 'pro', '<30 d', 1, true],
      pro[0],
    ])
    expect(rows.find(({ user }) => user === 'p04')).toEqual({
      user: 'p04',
      tier: 'pro',
      tenure: '30-90 d',
      tenure_days: 40,
      peers: 11,
      suppressed: false,
      requests: 4,
      requests_percentile: (3.5 / 11) * 100,
      requests_to_median: 4 / 6,
      goals: 2,
      requests_per_goal: 2,
      peer_requests_per_goal: 66 / 2,
      features: 1,
      peer_features_median: 2,
      features_to_median: 0.5,
      satisfaction: 10,
      satisfaction_delta: 10 - 100 / 11,
    })
    expect(rows.find(({ user }) => user === 'moved')).toMatchObject({
      requests: 2,
      requests_percentile: null,
      satisfaction: null,
      goals: 0,
    })
    expect(meta.warnings).toContain('peers have the same "plan"; name another property with --by property:KEY, or tiers with --tiers FILE')
  })

  it('shows one user beside all peers', async () => {
    const all = await analytics.report('benchmark', march)
    const one = await analytics.report('benchmark', { ...march, user: 'p04' })
    expect(one.rows).toEqual(all.rows.filter(({ user }) => user === 'p04'))
    expect((await analytics.report('benchmark', { ...march, user_prefix: 'p0' })).rows).toHaveLength(9)
    expect((await analytics.report('benchmark', { ...march, user: 'nobody' })).rows).toEqual([])
  })

  it('takes peers from another property, a trait, a segment or a file of tiers, and from the calls of a filter', async () => {
    const of = async (params: object): Promise<unknown> => {
      const { rows } = await analytics.report('benchmark', { ...march, user: 'p04', ...params })
      return rows.map(({ tier, peers }) => [tier, peers])
    }
    expect(await of({ by: ['property:environment'] })).toEqual([['live', 10]])
    // From p05 on they are at risk: nobody called in the last 14 days.
    expect(await of({ by: ['segment'] })).toEqual([['casual', 5]])
    expect(await of({ by: ['trait:region'] })).toEqual([[null, 12]])
    expect(await of({ options: { tiers: JSON.stringify({ paid: { where: 'plan in (pro, team)' }, rest: {} }) } })).toEqual([['paid', 12]])
    expect(await of({ where: 'environment = live' })).toEqual([['pro', 10]])
    await expect(of({ by: ['model'] })).rejects.toThrow('split by one property')
    await expect(of({ by: ['property:a', 'property:b'] })).rejects.toThrow('split by one property')
    await expect(of({ by: ['time:week'] })).rejects.toThrow('split by one property')
  })

  it('does not know goals of what only calls have, and says so with null', async () => {
    const { rows } = await analytics.report('benchmark', { ...march, user: 'p04', where: 'latency_ms > 1' })
    expect(rows[0]).toMatchObject({ goals: null, requests_per_goal: null, peer_requests_per_goal: null })
  })

  it('has no rows in an empty ledger, and takes all users where no property is a tier', async () => {
    const empty = await ledgerOf([])
    expect((await openAnalytics(empty).report('benchmark')).rows).toEqual([])
    await empty.close()
    const bare = await ledgerOf(names.map((user) => ({ at: '2026-03-05T00:00:00Z', user })))
    const { rows, meta } = await openAnalytics(bare, { now: () => AS_OF }).report('benchmark')
    expect(rows[0]).toMatchObject({ tier: null, peers: 11, requests_percentile: 50, features: 0, features_to_median: null })
    expect(meta.warnings.join()).toContain('no call has a property "plan"')
    await bare.close()
  })
})
