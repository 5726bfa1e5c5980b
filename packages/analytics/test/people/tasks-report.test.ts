import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'

import { openAnalytics, type Row } from '../../src/index.ts'
import { eventOf, type EventWords } from '../events.ts'
import { ledgerOf, type CallWords } from '../ledger.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const BEGIN = Date.parse('2024-03-01T12:00:00Z')

const open: Store[] = []
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function ledger(events: readonly EventWords[], calls: readonly CallWords[] = [], timeZone = 'UTC'): Promise<Store> {
  const store = await ledgerOf(calls, { timeZone })
  open.push(store)
  await store.write({ calls: [], events: events.map(eventOf) })
  return store
}

const ask = (store: Store, { asOf = BEGIN + 10 * DAY, ...params } = {}) => openAnalytics(store, { now: () => asOf }).report('tasks', params)
const lines = (rows: readonly Row[], ...keys: string[]): string[] => rows.map((row) => keys.map((key) => String(row[key])).join(' '))

type State = 'started' | 'completed' | 'failed'

interface Who {
  readonly step?: string
  readonly user?: string | undefined
  readonly name?: string
  readonly session?: string
}

/** `hours` after the begin. */
function word(task: string, hours: number, state: State, who: Who = {}): EventWords {
  const { step, name = 'import', session } = who
  return {
    at: BEGIN + hours * HOUR,
    kind: 'task',
    user: 'user' in who ? who.user : 'ann',
    session,
    says: { 'event.name': name, 'task.id': task, 'task.step': step, 'task.state': state },
  }
}

const chain = (task: string, ...steps: readonly [step: string, hours: number, state: State][]): EventWords[] =>
  steps.map(([step, hours, state]) => word(task, hours, state, step === '' ? {} : { step }))

describe('tasks', () => {
  it('are completed, failed or timed out, as the app said', async () => {
    const store = await ledger([
      ...chain(
        '1',
        ['', 0, 'started'],
        ['upload', 1, 'started'],
        ['upload', 2, 'completed'],
        ['map', 3, 'completed'],
        ['', 4, 'completed'],
      ),
      ...chain('2', ['upload', 0, 'started'], ['upload', 3, 'completed'], ['map', 4, 'started'], ['map', 5, 'failed']),
      // Tried again after it had failed.
      ...chain('3', ['upload', 0, 'failed'], ['upload', 1, 'completed'], ['map', 2, 'completed'], ['', 6, 'completed']),
      ...chain('4', ['', 0, 'started'], ['upload', 1, 'completed']),
      ...chain('5', ['map', 0, 'completed'], ['', 1, 'failed']),
      // Its time is not over.
      ...chain('6', ['', 9.5 * 24, 'started'], ['', 9.6 * 24, 'completed']),
    ])
    const { rows, totals } = await ask(store)
    expect(lines(rows, 'kind', 'step', 'tasks', 'completed', 'failed', 'timed_out', 'open', 'completion_rate', 'in_chain')).toEqual([
      'task null 5 2 2 1 1 0.4 2',
      'step upload 4 4 0 0 0 1 4',
      'step map 4 3 1 0 0 0.75 2',
    ])
    expect(lines(rows, 'chain_rate', 'drop_off', 'duration_p50_s')).toEqual(
      [`0.4 null ${5 * 3600}`, `0.8 ${0.2} ${2 * 3600}`, '0.4 0.5 null'].map((line) => line.replace('0.2 ', `${1 / 5} `)),
    )
    expect(totals).toEqual({ tasks: 5, completed: 2, failed: 2, timed_out: 1, open: 1, completion_rate: 0.4, in_chain: 2 })
  })

  it('of several names are added up, each with the steps of its own', async () => {
    const store = await ledger([
      ...chain('1', ['upload', 0, 'completed'], ['', 1, 'completed']),
      word('2', 0, 'completed', { name: 'refund', step: 'pay' }),
      word('2', 1, 'completed', { name: 'refund' }),
      word('3', 0, 'completed', { name: 'note' }),
    ])
    const { rows, totals } = await ask(store)
    expect(lines(rows, 'name', 'step', 'tasks', 'in_chain')).toEqual([
      'import null 1 1',
      'import upload 1 1',
      'note null 1 null',
      'refund null 1 1',
      'refund pay 1 1',
    ])
    expect(totals).toMatchObject({ tasks: 3, completed: 3, in_chain: 2 })
    expect((await ask(await ledger([word('3', 0, 'completed')]))).totals).toMatchObject({ tasks: 1, in_chain: null })
  })

  it('are told by goals with a task too, and named by what the task is called', async () => {
    const goal = (task: string, hours: number, success: boolean, step?: string): EventWords => ({
      at: BEGIN + hours * HOUR,
      kind: 'goal',
      user: 'ann',
      says: { 'event.name': 'uploaded', 'goal.success': success, 'task.id': task, 'task.step': step },
    })
    const store = await ledger([
      goal('1', 0, true, 'upload'),
      word('1', 1, 'started', { step: 'map' }),
      goal('1', 2, true),
      goal('2', 0, false),
    ])
    expect(lines((await ask(store)).rows, 'kind', 'name', 'step', 'completed', 'failed')).toEqual([
      'task import null 1 0',
      'step import upload 1 0',
      'step import map 0 0',
      'task uploaded null 0 1',
    ])
  })

  it('end within a day after their begin, or as asked for; what is said later comes too late', async () => {
    const at = async (afterMs: number, asOf: number, timeout?: string): Promise<string | undefined> => {
      const store = await ledger([word('1', 0, 'started'), { ...word('1', 0, 'completed'), at: BEGIN + afterMs }])
      const { rows } = await ask(store, { asOf, ...(timeout === undefined ? {} : { options: { timeout } }) })
      return lines(rows, 'tasks', 'completed', 'timed_out', 'open', 'completion_rate', 'reason')[0]
    }
    expect(await at(DAY - 1, BEGIN + DAY)).toBe('1 1 0 0 1 null')
    expect(await at(DAY - 2, BEGIN + DAY - 1)).toBe('0 0 0 1 null censored')
    expect(await at(DAY, BEGIN + 2 * DAY)).toBe('1 0 1 0 0 null')
    expect(await at(DAY, BEGIN + 2 * DAY, '2d')).toBe('1 1 0 0 1 null')
    expect(await at(HOUR / 2, BEGIN + HOUR, '30m')).toBe('1 0 1 0 0 null')
  })

  it('of nobody belong to their session, where they name one: equal ids of two visitors are two tasks', async () => {
    const visitor = (session: string | undefined, hours: number, state: State): EventWords =>
      word('1', hours, state, { user: undefined, ...(session === undefined ? {} : { session }) })
    const store = await ledger([
      visitor('a', 0, 'started'),
      visitor('b', 1, 'started'),
      visitor('a', 2, 'completed'),
      visitor('b', 3, 'failed'),
      // Of a program that knows neither user nor session the id is all there is.
      visitor(undefined, 0, 'started'),
      visitor(undefined, 4, 'completed'),
    ])
    expect((await ask(store)).totals).toMatchObject({ tasks: 3, completed: 2, failed: 1, timed_out: 0 })
    // A user is known: the same task may go on in another session.
    const known = await ledger([word('1', 0, 'started', { session: 'a' }), word('1', 1, 'completed', { session: 'b' })])
    expect((await ask(known)).totals).toMatchObject({ tasks: 1, completed: 1 })
  })

  it('belong to their user, and to the period in which they began', async () => {
    const store = await ledger(
      [
        word('1', 0, 'completed'),
        word('1', 0, 'failed', { user: 'bob' }),
        word('1', 30, 'failed', { user: undefined, name: 'nightly' }),
        // In New York the day before.
        word('2', 16 - 0.5, 'completed', { name: 'late' }),
      ],
      [],
      'America/New_York',
    )
    expect(lines((await ask(store)).rows, 'name', 'completed', 'failed')).toEqual(['import 1 1', 'late 1 0', 'nightly 0 1'])
    expect(lines((await ask(store, { user: 'bob' } as object)).rows, 'completed', 'failed')).toEqual(['0 1'])
    const march = await ask(store, { since: '2024-03-01', until: '2024-03-01' } as object)
    expect(lines(march.rows, 'name')).toEqual(['import', 'late'])
    const days = await ask(store, { by: ['time:day'] } as object)
    expect(lines(days.rows, 'cohort', 'name')).toEqual(['2024-03-01 import', '2024-03-01 late', '2024-03-02 nightly'])
    await expect(ask(store, { where: 'model = gpt-4o' } as object)).rejects.toThrow(
      'Tasks are filtered by user, session, property and segment',
    )
  })
})

it('goals without a task have a row each: by the latest word, with the requests that one takes', async () => {
  const goal = (session: string, hours: number, success: boolean): EventWords => ({
    at: BEGIN + hours * HOUR,
    kind: 'goal',
    user: 'ann',
    session,
    says: { 'event.name': 'solved', 'goal.success': success },
  })
  const calls = (session: string | undefined, count: number): CallWords[] =>
    Array.from({ length: count }, (_, n) => ({ at: BEGIN + n, user: 'ann', session }))
  const store = await ledger(
    [
      goal('a', 1, true),
      goal('a', 2, true),
      goal('b', 1, true),
      goal('b', 3, false),
      goal('c', 1, true),
      word('t', 0, 'completed', { session: 'a' }),
    ],
    [...calls('a', 3), ...calls('b', 4), ...calls('c', 1), ...calls('d', 9), ...calls(undefined, 9)],
  )
  const { rows } = await ask(store)
  expect(lines(rows, 'kind', 'name', 'tasks', 'completed', 'failed', 'completion_rate', 'requests_per_goal')).toEqual([
    'task import 1 1 0 1 3',
    `goal solved 3 2 1 ${2 / 3} 4`,
  ])
})

it('requests per goal are of the tasks and goals whose session is known, and null where none was reached', async () => {
  const goal = (session: string | undefined, success: boolean, name = 'solved'): EventWords => ({
    at: BEGIN + HOUR,
    kind: 'goal',
    user: session === undefined ? 'bob' : 'ann',
    session,
    says: { 'event.name': name, 'goal.success': success },
  })
  const store = await ledger(
    [
      word('1', 0, 'completed', { session: 'a' }),
      word('2', 0, 'completed'),
      // Told of with a session only in part.
      word('3', 0, 'started', { name: 'note' }),
      word('3', 1, 'completed', { name: 'note', session: 'a' }),
      word('4', 0, 'completed', { name: 'note' }),
      word('5', 0, 'failed', { name: 'lost', session: 'a' }),
      word('6', 0, 'completed', { name: 'lost' }),
      goal('a', true),
      goal(undefined, true),
      goal('a', false, 'missed'),
      goal(undefined, true, 'missed'),
    ],
    [{ at: BEGIN, user: 'ann', session: 'a' }],
  )
  expect(lines((await ask(store)).rows, 'name', 'completed', 'requests_per_goal')).toEqual([
    'import 2 1',
    'lost 1 null',
    'note 2 1',
    'missed 1 null',
    'solved 2 1',
  ])
})

it('nothing told is no row and a hint; options that cannot be meant are refused', async () => {
  const store = await ledger([])
  const { rows, totals, meta } = await ask(store)
  expect(rows).toEqual([])
  expect(totals).toEqual({ tasks: 0, completed: 0, failed: 0, timed_out: 0, open: 0, completion_rate: null, in_chain: null })
  expect(meta.warnings.join()).toContain('track.task')
  for (const timeout of ['24', '0h', '367d', 'a day']) {
    await expect(ask(store, { options: { timeout } } as object)).rejects.toThrow('Write minutes, hours or days, at most a year')
  }
  await expect(ask(store, { options: { timeuot: '1h' } } as object)).rejects.toThrow('Did you mean "timeout"?')
})

/** Tasks, looked at one by one over plain arrays. */
function slowTasks(words: readonly EventWords[], asOf: number) {
  const known = words.filter(({ at }) => Number(at) < asOf)
  const counts = { tasks: 0, completed: 0, failed: 0, timed_out: 0, open: 0 }
  const keyOf = ({ user, session, says }: EventWords): string => `${user ?? `of ${session}`} ${says?.['task.id']}`
  for (const key of new Set(known.map(keyOf))) {
    const own = known.filter((one) => keyOf(one) === key).toSorted((a, b) => Number(a.at) - Number(b.at))
    const deadline = Number(own[0]?.at) + DAY
    if (deadline > asOf) {
      counts.open++
      continue
    }
    counts.tasks++
    const intime = own.filter(({ at }) => Number(at) < deadline)
    const ends = intime.filter(({ says }) => says?.['task.step'] === undefined && says?.['task.state'] !== 'started')
    const verdict =
      ends.length > 0 ? ends.at(-1)?.says?.['task.state'] : intime.at(-1)?.says?.['task.state'] === 'failed' ? 'failed' : 'timed_out'
    counts[verdict as 'completed' | 'failed' | 'timed_out']++
  }
  return counts
}

it('any tasks in any order, with repeats, are as looking at them one by one finds; chains never grow', async () => {
  const words = fc
    .uniqueArray(
      fc.record({
        minute: fc.integer({ min: 0, max: 4 * 1440 }),
        task: fc.constantFrom('1', '2'),
        user: fc.constantFrom('ann', 'bob', undefined),
        session: fc.constantFrom('s', 't', undefined),
        step: fc.constantFrom(undefined, 'a', 'b', 'c'),
        state: fc.constantFrom<State>('started', 'completed', 'failed'),
      }),
      { selector: ({ minute }) => minute, maxLength: 40 },
    )
    .map((list) =>
      list.map(({ minute, task, state, user, session, step }) =>
        word(task, minute / 60, state, { user, ...(session === undefined ? {} : { session }), ...(step === undefined ? {} : { step }) }),
      ),
    )
  await fc.assert(
    fc.asyncProperty(words, fc.integer({ min: 1, max: 120 }), async (told, hours) => {
      const asOf = BEGIN + hours * HOUR
      const events = told.map(eventOf)
      const answers: string[] = []
      for (const some of [events, [...events, ...events.toReversed()]]) {
        const store = await ledgerOf([])
        await store.write({ calls: [], events: some.slice(0, 7) })
        await store.write({ calls: [], events: some })
        const { rows, totals } = await ask(store, { asOf })
        answers.push(JSON.stringify({ rows, totals }))
        const { completion_rate: rate, in_chain: _, ...counts } = totals
        expect(counts).toEqual(slowTasks(told, asOf))
        expect(rate).toBe(Number(counts['tasks']) === 0 ? null : Number(counts['completed']) / Number(counts['tasks']))
        const chained = rows.filter(({ kind }) => kind === 'step').map((row) => Number(row['in_chain']))
        expect(chained).toEqual(chained.toSorted((a, b) => b - a))
        await store.close()
      }
      expect(answers[0]).toBe(answers[1])
    }),
    { numRuns: 60 },
  )
})
