import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { openAnalytics, type Analytics, type Cell } from '../../src/index.ts'
import { experimentMetrics } from '../../src/people/experiments/experiment-metrics.ts'
import { falseDiscoveryRates } from '../../src/statistics/many-tests.ts'
import { compareMeans, meanFacts } from '../../src/statistics/means.ts'
import { eventOf, scoreFacts } from '../events.ts'
import { callOf, ledgerOf, type CallWords } from '../ledger.ts'

const START = Date.parse('2026-03-01T00:00:00Z')
const HOUR = 3_600_000
const AS_OF = START + 10 * 24 * HOUR

/** How many calls a user makes after the first exposure. */
const requestsOf = (arm: string, n: number): number => (arm === 'control' ? 2 + (n % 3) : 3 + (n % 4))
const users = ['control', 'variant_a'].flatMap((arm) => Array.from({ length: 160 }, (_, n) => ({ arm, n, user: `${arm}-${n}` })))

function event(
  kind: 'exposed' | 'goal',
  at: number,
  { user, name, outcome, value }: { user: string; name: string; outcome?: string; value?: number },
): ReturnType<typeof eventOf> {
  const exposure = { 'experiment.key': name, 'experiment.variant': outcome, 'experiment.share': value }
  return eventOf({ kind, at, user, says: kind === 'exposed' ? exposure : { 'event.name': name } })
}

describe('experiments', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    const calls = users.flatMap(({ arm, n, user }): CallWords[] => [
      { at: START - 5 * 24 * HOUR, user },
      { at: START - HOUR, user, status: 'error' },
      ...Array.from({ length: requestsOf(arm, n) }, (_, k): CallWords => ({
        at: START + k * HOUR,
        user,
        status: k === 1 && n % 2 === 0 ? 'error' : 'ok',
      })),
      // After 72 hours nothing counts.
      { at: START + 73 * HOUR, user },
    ])
    store = await ledgerOf([...calls, { at: START + HOUR, user: 'both' }])
    const exposures = users.map(({ arm, user }) => event('exposed', START, { user, name: 'new_chat_ui', outcome: arm }))
    const others = [
      event('exposed', START, { user: 'both', name: 'new_chat_ui', outcome: 'control' }),
      event('exposed', START + HOUR, { user: 'both', name: 'new_chat_ui', outcome: 'variant_a' }),
      // A second exposure to the same variant is no second user, and does not begin the time anew.
      event('exposed', START + 70 * HOUR, { user: 'control-0', name: 'new_chat_ui', outcome: 'control' }),
      event('exposed', AS_OF - HOUR, { user: 'late', name: 'new_chat_ui', outcome: 'control' }),
      event('exposed', AS_OF + HOUR, { user: 'future', name: 'new_chat_ui', outcome: 'control' }),
      event('goal', START + HOUR, { user: 'variant_a-3', name: 'sent' }),
      event('goal', START + 80 * HOUR, { user: 'variant_a-4', name: 'sent' }),
    ]
    await store.write({ calls: [], events: [...exposures, ...others] })
    analytics = openAnalytics(store, { now: () => AS_OF })
  })
  afterAll(() => store.close())

  it('are listed', async () => {
    expect((await analytics.report('experiments')).rows).toEqual([
      { experiment: 'new_chat_ui', variants: 2, users: 322, since: '2026-03-01T00:00:00.000Z' },
    ])
  })

  it('compare what users did in 72 hours from the first exposure on, by user', async () => {
    // A user of the control was exposed an hour before, so that it is not over: it is up to the eighth.
    const { rows, meta } = await analytics.report('experiments', { until: '2026-03-08', options: { experiment: 'new_chat_ui' } })
    const values = (arm: string): number[] => users.filter((user) => user.arm === arm).map(({ n }) => requestsOf(arm, n))
    const [a, b] = [meanFacts(values('control')), meanFacts(values('variant_a'))]
    const expected = a === null || b === null ? null : compareMeans(a, b)
    expect(rows.map(({ variant, users: count, value, state }) => [variant, count, value, state])).toEqual([
      ['control', 160, a?.mean, 'control'],
      ['variant_a', 160, b?.mean, 'significant'],
    ])
    expect(rows[1]).toMatchObject({
      difference: expect.closeTo(expected?.difference ?? 0, 12) as Cell,
      p: expect.closeTo(expected?.p ?? 0, 12) as Cell,
      ci_low: expect.closeTo(expected?.interval[0] ?? 0, 9) as Cell,
    })
    expect(meta.warnings).toContain('1 users saw more than one variant and are left out')
    expect(meta.warnings).toEqual(['1 users saw more than one variant and are left out', expect.stringMatching(/^p and intervals hold/)])
  })

  it('count goals by the latest word on each: one that was taken back was not reached', async () => {
    const own = await ledgerOf(users.map(({ user }) => ({ at: START, user, session: `s-${user}` })))
    const goal = (at: number, user: string, success: boolean) =>
      eventOf({ kind: 'goal', at, user, session: `s-${user}`, says: { 'event.name': 'sent', 'goal.success': success } })
    const reached = users.filter(({ arm }) => arm === 'variant_a').map(({ user }) => user)
    await own.write({
      calls: [],
      events: [
        ...users.map(({ arm, user }) => event('exposed', START, { user, name: 'new_chat_ui', outcome: arm })),
        ...reached.map((user) => goal(START + HOUR, user, true)),
        ...reached.slice(0, 80).map((user) => goal(START + 2 * HOUR, user, false)),
      ],
    })
    const { rows } = await openAnalytics(own, { now: () => AS_OF }).report('experiments', {
      options: { experiment: 'new_chat_ui', metric: 'goals' },
    })
    await own.close()
    expect(rows.map(({ variant, value }) => [variant, value])).toEqual([
      ['control', 0],
      ['variant_a', 0.5],
    ])
  })

  it('are running as long as the time of any user is, unless one may look at any time', async () => {
    const stateOf = async (options: Record<string, string>): Promise<Cell | undefined> =>
      (await analytics.report('experiments', { options: { experiment: 'new_chat_ui', ...options } })).rows[1]?.['state']
    expect(await stateOf({})).toBe('running')
    expect(await stateOf({ peeking: 'allowed' })).toBe('significant')
    expect(await stateOf({ peeking: 'allowed', metric: 'active' })).toBe('running')
    expect(await stateOf({ peeking: 'allowed', metric: 'goals' })).toBe('running')
    expect(await stateOf({ window: 'end', metric: 'goals' })).toBe('inconclusive')
    const { meta } = await analytics.report('experiments', { options: { experiment: 'new_chat_ui' } })
    expect(meta.warnings).toContain('1 users were exposed less than 72 hours before as_of and are left out')
  })

  it('hold the comparisons of secondary metrics together', async () => {
    const ask = async (options: Record<string, string>): Promise<readonly Readonly<Record<string, Cell>>[]> =>
      (await analytics.report('experiments', { options: { experiment: 'new_chat_ui', ...options } })).rows
    const secondary = ['cost_usd', 'error_rate', 'goals']
    const alone = await Promise.all(secondary.map(async (metric) => (await ask({ metric }))[1]))
    const rows = await ask({ metric: 'requests', secondary: 'cost_usd, error_rate, requests, goals' })
    expect(rows.map(({ metric, variant }) => [metric, variant])).toEqual(
      ['requests', ...secondary].flatMap((metric) => [
        [metric, 'control'],
        [metric, 'variant_a'],
      ]),
    )
    const q = falseDiscoveryRates(alone.map((row) => Number(row?.['p'])))
    expect(rows.filter(({ variant }) => variant !== 'control').map(({ p }) => p)).toEqual([
      (await ask({ metric: 'requests' }))[1]?.['p'],
      ...q,
    ])
    expect(q).not.toEqual(alone.map((row) => row?.['p']))
    await expect(ask({ secondary: 'costs_usd' })).rejects.toThrow('Did you mean "cost_usd"')
  })

  it('that have not begun are told what they could tell, of the users there were', async () => {
    const plan = async (text: string) =>
      await analytics.report('experiments', { since: '2026-03-01', options: { plan: text, secondary: 'goals' } })
    const { rows, meta } = await plan('variant_a:1,control:1')
    const requests = [...users.map(({ arm, n }) => requestsOf(arm, n)), 1]
    const facts = meanFacts(requests)
    const detectable = 2.801585218112968 * Math.sqrt((2 * (facts?.variance ?? 0)) / 160)
    expect(rows.slice(0, 2)).toEqual([
      {
        variant: 'control',
        metric: 'requests',
        users: 160,
        planned_share: 0.5,
        value: expect.closeTo(facts?.mean ?? 0, 12) as Cell,
        detectable: null,
        detectable_lift: null,
      },
      {
        variant: 'variant_a',
        metric: 'requests',
        users: 160,
        planned_share: 0.5,
        value: expect.closeTo(facts?.mean ?? 0, 12) as Cell,
        detectable: expect.closeTo(detectable, 9) as Cell,
        detectable_lift: expect.closeTo(detectable / (facts?.mean ?? 0), 9) as Cell,
      },
    ])
    expect(rows.map(({ metric }) => metric)).toEqual(['requests', 'requests', 'goals', 'goals'])
    expect(meta.warnings[0]).toBe('321 users are looked at as if each had been exposed with the first call of the period')
    const lopsided = await plan('control:0.8,variant_a:0.2')
    expect(lopsided.rows.map((row) => row['users'])).toEqual([256, 64, 256, 64])
    expect(Number(lopsided.rows[1]?.['detectable'])).toBeGreaterThan(detectable)
    await expect(plan('control')).rejects.toThrow('Cannot read plan')
  })

  it('compare what users said, how long they waited and what they asked again', async () => {
    const people = ['control', 'b'].flatMap((arm) => Array.from({ length: 3 }, (_, n) => ({ arm, user: `${arm}-${n}` })))
    const ledger = await ledgerOf([])
    const calls = people.flatMap(({ arm, user }, n) =>
      [0, 1, 2].map((k) =>
        Object.assign(callOf({ at: START + k * 60_000, user, latencyMs: (arm === 'b' ? 1000 : 100) * (k + 1) }), {
          // The second asks what the first asked.
          fingerprint: n * 10 + (arm === 'b' && k === 1 ? 0 : k),
        }),
      ),
    )
    const feedback = (user: string, value: number, at: number) =>
      eventOf({ kind: 'feedback', at, user, says: scoreFacts({ name: 'rating', value, min: 1, max: 5 }) })
    await ledger.write({
      calls,
      events: [
        ...people.map(({ arm, user }) => event('exposed', START, { user, name: 'e', outcome: arm })),
        feedback('control-0', 1, START + HOUR),
        // Said again: the latest counts. Before the exposure and after 72 hours nothing does.
        feedback('b-0', 1, START + HOUR),
        feedback('b-0', 5, START + 2 * HOUR),
        feedback('b-1', 3, START + HOUR),
        feedback('b-1', 1, START - HOUR),
        feedback('b-1', 1, START + 80 * HOUR),
      ],
    })
    const { rows } = await openAnalytics(ledger, { now: () => AS_OF }).report('experiments', {
      options: { experiment: 'e', metric: 'satisfaction', secondary: 'retry_rate,latency_p50_ms,latency_p95_ms' },
    })
    await ledger.close()
    expect(
      rows.map(({ metric, variant, users: count, measured, value, state }) => [metric, variant, count, measured, value, state]),
    ).toEqual([
      ['satisfaction', 'control', 3, 1, 0, 'control'],
      ['satisfaction', 'b', 3, 2, 7.5, 'no_data'],
      ['retry_rate', 'control', 3, 3, 0, 'control'],
      ['retry_rate', 'b', 3, 3, 1 / 3, 'no_data'],
      ['latency_p50_ms', 'control', 3, 3, 200, 'control'],
      ['latency_p50_ms', 'b', 3, 3, 2000, 'no_data'],
      ['latency_p95_ms', 'control', 3, 3, 300, 'control'],
      ['latency_p95_ms', 'b', 3, 3, 3000, 'no_data'],
    ])
  })

  it.each(Object.keys(experimentMetrics))('say what each of their columns is where %s is compared', async (metric) => {
    const { columns, definitions = [] } = await analytics.report('experiments', {
      explain: true,
      options: { experiment: 'new_chat_ui', metric },
    })
    expect(definitions.map(({ key }) => key)).toEqual(columns.map(({ key }) => key))
    expect(definitions.filter(({ says }) => says.length < 8)).toEqual([])
  })

  it('have wider intervals where one may look at any time', async () => {
    const width = async (peeking: string): Promise<number> => {
      const { rows } = await analytics.report('experiments', { options: { experiment: 'new_chat_ui', peeking } })
      return Number(rows[1]?.['ci_high']) - Number(rows[1]?.['ci_low'])
    }
    expect(await width('allowed')).toBeGreaterThan(await width('once'))
  })

  it('count errors by user, goals within the time, and everything with window=end', async () => {
    const rowsOf = async (options: Record<string, string>) =>
      (await analytics.report('experiments', { options: { experiment: 'new_chat_ui', ...options } })).rows
    const errors = await rowsOf({ metric: 'error_rate' })
    const control = users.filter(({ arm }) => arm === 'control')
    expect(errors[0]?.['value']).toBeCloseTo(80 / control.reduce((sum, { arm, n }) => sum + requestsOf(arm, n), 0), 12)
    expect((await rowsOf({ metric: 'goals' })).map(({ value }) => value)).toEqual([0, 1 / 160])
    const all = await rowsOf({ window: 'end' })
    expect(all[0]).toMatchObject({ users: 161, value: (control.reduce((sum, { arm, n }) => sum + requestsOf(arm, n) + 1, 0) + 0) / 161 })
    expect((await rowsOf({ metric: 'goals', window: 'end' })).map(({ value }) => value)).toEqual([0, 2 / 160])
  })

  it('say nothing of few users, and what is meant by a wrong name', async () => {
    const small = await ledgerOf([{ at: START, user: 'x' }])
    await small.write({
      calls: [],
      events: [
        event('exposed', START, { user: 'x', name: 'e', outcome: 'a' }),
        event('exposed', START, { user: 'y', name: 'e', outcome: 'b' }),
      ],
    })
    const { rows } = await openAnalytics(small, { now: () => AS_OF }).report('experiments', { options: { experiment: 'e' } })
    expect(rows.map(({ state, p }) => [state, p])).toEqual([
      ['control', null],
      ['no_data', null],
    ])
    await small.close()
    await expect(analytics.report('experiments', { options: { experiment: 'new_chat' } })).rejects.toThrow(/Did you mean "new_chat_ui"/)
  })

  describe('whose arms have weights', () => {
    /** The report of an experiment whose arms have so many users, each told the share of its arm. */
    async function splitOf(
      arms: readonly { arm: string; users: number; share?: number }[],
      options: Record<string, string> = {},
    ): Promise<{ rows: (readonly Cell[])[]; warnings: readonly string[] }> {
      const ledger = await ledgerOf([{ at: START, user: 'x' }])
      const events = arms.flatMap(({ arm, users: count, share }) =>
        Array.from({ length: count }, (_, n) =>
          event('exposed', START, {
            user: `${arm}-${n}`,
            name: 'e',
            outcome: arm,
            ...(share === undefined ? {} : { value: share }),
          }),
        ),
      )
      await ledger.write({ calls: [], events })
      const { rows, meta } = await openAnalytics(ledger, { now: () => AS_OF })
        .report('experiments', { options: { experiment: 'e', ...options } })
        .finally(() => ledger.close())
      return {
        rows: rows.map(({ variant = null, users: count = null, planned_share: share = null, state = null }) => [
          variant,
          count,
          share,
          state,
        ]),
        warnings: meta.warnings.filter((warning) => warning.includes('split') || warning.includes('share')),
      }
    }
    const fourToOne = [
      { arm: 'control', users: 800, share: 0.8 },
      { arm: 'b', users: 200, share: 0.2 },
    ]

    it('are tested against the shares that exposures tell', async () => {
      expect(await splitOf(fourToOne)).toEqual({
        rows: [
          ['control', 800, 0.8, 'control'],
          ['b', 200, 0.2, 'inconclusive'],
        ],
        warnings: [],
      })
      // Of 1,000 users 500 are 300 more than planned: chi-squared 300^2/800 + 300^2/200 = 562.5.
      const { rows, warnings } = await splitOf(fourToOne.map(({ arm, share }) => ({ arm, share, users: 500 })))
      expect(rows.map((row) => row[3])).toEqual(['srm_fail', 'srm_fail'])
      expect(warnings).toEqual([
        expect.stringMatching(/^users were not split as planned \(p = .*e-124\): .* Planned: control 80 %, b 20 %$/),
      ])
    })

    it('are tested against stated weights instead, and against equal ones where nobody told any', async () => {
      const untold = fourToOne.map(({ arm, users: count }) => ({ arm, users: count }))
      expect(await splitOf(untold)).toEqual({
        rows: [
          ['control', 800, 0.5, 'srm_fail'],
          ['b', 200, 0.5, 'srm_fail'],
        ],
        warnings: [expect.stringMatching(/Equal shares are assumed, because exposures tell none; state others with --weights$/)],
      })
      expect(await splitOf(untold, { weights: 'control:8, b:2' })).toEqual(await splitOf(fourToOne))
      expect((await splitOf(fourToOne, { weights: 'control:1,b:1' })).rows.map((row) => row[3])).toEqual(['srm_fail', 'srm_fail'])
    })

    it('notice an arm that nobody saw', async () => {
      const [control, b] = [
        { arm: 'control', users: 500, share: 0.4 },
        { arm: 'b', users: 500, share: 0.4 },
      ]
      expect((await splitOf([control, b])).rows.map((row) => row[3])).toEqual(['srm_fail', 'srm_fail'])
      expect((await splitOf([control, b], { weights: 'control:1,b:1,c:0' })).warnings).toEqual([])
    })

    it('say so where shares changed, or are known of some arms only', async () => {
      const changed = [...fourToOne, { arm: 'b', users: 1, share: 0.21 }]
      expect((await splitOf(changed)).warnings).toEqual(['the shares of variants changed while it ran: the latest are tested'])
      expect(
        await splitOf([
          { arm: 'control', users: 800, share: 0.8 },
          { arm: 'b', users: 200 },
        ]),
      ).toEqual({
        rows: [
          ['control', 800, 0.8, 'control'],
          ['b', 200, null, 'inconclusive'],
        ],
        warnings: ['the split is not tested: no share was told of b; state them with --weights'],
      })
    })

    it('refuse weights that are none, or that leave out an arm', async () => {
      const few = fourToOne.map(({ arm, share }) => ({ arm, share, users: 1 }))
      for (const weights of ['control', 'control:1', 'control:-1,b:2', 'control:1,control:2', 'control:0,b:1', ':1,b:1', '']) {
        await expect(splitOf(few, { weights })).rejects.toThrow('Cannot read weights')
      }
      await expect(splitOf(few, { weights: 'control:1,c:1' })).rejects.toThrow(
        'weights must name every variant that users saw; b is missing.',
      )
    })
  })

  it('of equal arms are called different about as often as chance has it', async () => {
    // 40 experiments without any difference; at 5 % about two are called significant, and nine or more with probability 0.0005.
    let random = 7
    const next = (): number => (random = (random * 48_271) % 2_147_483_647) / 2_147_483_647
    const nobody = Array.from({ length: 40 }, (_, e) =>
      users.map(({ user }) => ({ e, user, arm: next() < 0.5 ? 'a' : 'b', calls: 1 + Math.floor(next() * 6) })),
    )
    const significant = nobody.filter((people) => {
      const facts = (arm: string) => meanFacts(people.filter((one) => one.arm === arm).map(({ calls }) => calls))
      const [a, b] = [facts('a'), facts('b')]
      return a !== null && b !== null && (compareMeans(a, b)?.p ?? 1) < 0.05
    })
    expect(significant.length).toBeLessThan(9)
  })
})
