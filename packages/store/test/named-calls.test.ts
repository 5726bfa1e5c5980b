import { readEvaluation } from '@spanledger/conventions'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openStore, type Batch, type SpanLink, type Store, type WrittenCall, type WrittenEvent } from '../src/index.ts'
import { responseHash } from '../src/traces/response-hash.ts'
import { call, contents, flatPrices, properties } from './calls.ts'
import { event, eventContents } from './events.ts'

async function ledger(batches: readonly Batch[]): Promise<Store> {
  const store = await openStore({ path: ':memory:', priceBook: flatPrices })
  for (const batch of batches) await store.write(batch)
  return store
}

const whose = async (store: Store): Promise<unknown[]> =>
  (await eventContents(store)).map((row) => {
    const { user, session, properties: of } = row as Record<string, unknown>
    return [user, session, of]
  })

const DAY = 86_400_000
const answered = call({
  n: 1,
  user: 'ann',
  session: 's-1',
  responseId: 'chatcmpl-abc',
  properties: properties({ plan: 'pro', feature: 'chat' }),
})
const about = (more: Record<string, unknown>, n = 1, startMs = answered.startMs + 60_000): WrittenEvent =>
  event(n, { startMs, endMs: startMs, attributes: more })
const bySpan = { 'spanledger.target.trace_id': answered.traceId, 'spanledger.target.span_id': answered.spanId }
const byAnswer = { 'gen_ai.response.id': 'chatcmpl-abc' }

describe('feedback about a call that is settled', () => {
  it.each([
    ['its span', bySpan],
    ['its answer', byAnswer],
  ])('by %s has the user, session and properties of the call, whichever comes first', async (_, named) => {
    const [late] = [about(named)]
    for (const batches of [
      [{ calls: [answered] }, { calls: [], events: [late] }],
      [{ calls: [], events: [late] }, { calls: [answered] }],
      [{ calls: [answered], events: [late] }],
    ]) {
      const store = await ledger(batches)
      expect(await whose(store)).toEqual([['ann', 's-1', 'feature=chat;plan=pro']])
      expect(await store.verify()).toMatchObject({ ok: true })
      await store.close()
    }
  })

  it('keeps what it says itself, and takes nothing of another user', async () => {
    const store = await ledger([
      { calls: [answered] },
      {
        calls: [],
        events: [
          about({ ...byAnswer, 'property.plan': 'trial', 'session.id': 's-2' }, 1),
          about({ ...byAnswer, 'user.id': 'ann' }, 2),
          about({ ...byAnswer, 'user.id': 'bob' }, 3),
        ],
      },
    ])
    expect((await whose(store)).toSorted()).toEqual([
      ['ann', 's-1', 'feature=chat;plan=pro'],
      ['ann', 's-2', 'feature=chat;plan=trial'],
      ['bob', '(none)', null],
    ])
    await store.close()
  })

  it('finds it up to seven days back, and no other one', async () => {
    const store = await ledger([{ calls: [answered, call({ n: 2, user: 'bob', responseId: 'another', startMs: answered.startMs + 1 })] }])
    const ages = [1000, DAY / 2, 6 * DAY, 7 * DAY, 7 * DAY + 1].map((age, n) => about(byAnswer, n + 1, answered.startMs + age))
    await store.write({ calls: [], events: [...ages, about({ 'gen_ai.response.id': 'never answered' }, 9)] })
    expect((await whose(store)).map((row) => (row as string[])[0])).toEqual(['ann', '(none)', 'ann', 'ann', 'ann', '(none)'])
    await store.close()
  })

  it('is that of the latest answer with this id, where several have it', async () => {
    const again = { ...answered, spanId: 'f'.repeat(16), traceId: 'e'.repeat(32), startMs: answered.startMs + 1000, user: 'bob' }
    const events = [about(byAnswer, 1, answered.startMs + 500), about(byAnswer, 2, again.startMs + 500_000)]
    for (const batches of [
      [{ calls: [answered, again] }, { calls: [], events }],
      [{ calls: [], events }, { calls: [again] }, { calls: [answered] }],
    ]) {
      const store = await ledger(batches)
      // A clock may be a minute off: of both answers the later one is near enough to either.
      expect((await whose(store)).map((row) => (row as string[])[0])).toEqual(['bob', 'bob'])
      await store.close()
    }
  })

  it('as an evaluation of the span that another system sends has it too', async () => {
    const judged = readEvaluation(
      {
        traceId: answered.traceId,
        spanId: answered.spanId,
        timeMs: answered.startMs + 5000,
        attributes: { 'gen_ai.evaluation.name': 'relevance', 'gen_ai.evaluation.score.value': 0.5 },
        resourceAttributes: {},
      },
      'otlp',
    )
    const store = await ledger([{ calls: [answered] }, { calls: [], events: [judged] }])
    expect(await whose(store)).toEqual([['ann', 's-1', 'feature=chat;plan=pro']])
    await store.close()
  })

  it('follows an alias of the call’s user, and comes back with it', async () => {
    const store = await ledger([{ calls: [answered] }])
    await store.alias('ann', 'anna')
    await store.write({ calls: [], events: [about(byAnswer)] })
    expect(await whose(store)).toEqual([['anna', 's-1', 'feature=chat;plan=pro']])
    await store.undoAlias('ann', 'anna')
    expect(await whose(store)).toEqual([['ann', 's-1', 'feature=chat;plan=pro']])
    await store.close()
  })
})

describe('feedback by whom a visitor turned out to be', () => {
  const rated = about({ ...byAnswer, 'user.id': 'user-123' })
  const apart = [['user-123', '(none)', null]]
  const together = [['user-123', 's-1', 'feature=chat;plan=pro']]

  it('has the session and properties of the visitor’s call, as long as the alias holds', async () => {
    const store = await ledger([{ calls: [answered] }, { calls: [], events: [rated] }])
    expect(await whose(store)).toEqual(apart)
    await store.alias('ann', 'user-123')
    expect(await whose(store)).toEqual(together)
    await store.undoAlias('ann', 'user-123')
    expect(await whose(store)).toEqual(apart)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('has them too where the alias was first', async () => {
    const store = await ledger([{ calls: [answered] }])
    await store.alias('ann', 'user-123')
    await store.write({ calls: [], events: [rated] })
    expect(await whose(store)).toEqual(together)
    await store.undoAlias('ann', 'user-123')
    expect(await whose(store)).toEqual(apart)
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })
})

describe('an event that names a session and no user', () => {
  const said = about({ 'session.id': 's-1' })
  it('is of the user whose session it is, whichever comes first', async () => {
    for (const batches of [
      [{ calls: [answered] }, { calls: [], events: [said] }],
      [{ calls: [], events: [said] }, { calls: [answered] }],
    ]) {
      const store = await ledger(batches)
      expect(await whose(store)).toEqual([['ann', 's-1', null]])
      await store.close()
    }
  })

  it('is nobody’s where two users have a session of that name, whenever the second one comes', async () => {
    const other = call({ n: 2, user: 'bob', session: 's-1' })
    for (const batches of [
      [{ calls: [answered, other] }, { calls: [], events: [said] }],
      [{ calls: [answered] }, { calls: [], events: [said] }, { calls: [other] }],
    ]) {
      const store = await ledger(batches)
      expect(await whose(store)).toEqual([['(none)', 's-1', null]])
      await store.close()
    }
  })
})

it('an answer is found by 48 bits of its id', () => {
  const ids = Array.from({ length: 50_000 }, (_, n) => `chatcmpl-${n.toString(36)}`)
  expect(new Set(ids.map(responseHash)).size).toBe(ids.length)
  expect(Math.max(...ids.map(responseHash))).toBeLessThan(2 ** 48)
  expect(responseHash('chatcmpl-abc')).toBe(responseHash('chatcmpl-abc'))
})

describe('calls, spans and events that name them', () => {
  const startMs = Date.UTC(2026, 0, 15)
  const id = (n: number): string => n.toString(16).padStart(16, '0')
  const pieces = fc.array(
    fc.record({
      kind: fc.constantFrom('settled', 'open', 'link', 'event', 'event'),
      user: fc.constantFrom(undefined, 'ann', 'bob'),
      session: fc.constantFrom(undefined, 's-1', 's-2'),
      plan: fc.constantFrom(undefined, 'pro'),
      about: fc.constantFrom('span', 'answer', 'nothing'),
      which: fc.integer({ min: 0, max: 9 }),
      parent: fc.integer({ min: -4, max: 9 }),
    }),
    { minLength: 2, maxLength: 10 },
  )
  type Piece = typeof pieces extends fc.Arbitrary<(infer Of)[]> ? Of : never

  function batchOf({ kind, user, session, plan, about: target, which, parent }: Piece, n: number): Batch {
    const place = {
      traceId: (kind === 'event' ? n : n % 2).toString(16).padStart(32, '0'),
      spanId: id(n),
      parentSpanId: kind === 'settled' || parent < 0 || parent >= n ? undefined : id(parent),
      startMs: startMs + n,
    }
    const said = { user, session, properties: properties(plan === undefined ? {} : { plan }) }
    if (kind === 'link') return { calls: [], links: [{ ...place, identity: said } satisfies SpanLink] }
    if (kind === 'event') {
      const named =
        target === 'span'
          ? { 'spanledger.target.trace_id': (which % 2).toString(16).padStart(32, '0'), 'spanledger.target.span_id': id(which) }
          : target === 'answer'
            ? { 'gen_ai.response.id': `answer ${which}` }
            : {}
      const attributes = { 'user.id': user, 'session.id': session, ...(plan === undefined ? {} : { 'property.plan': plan }), ...named }
      return { calls: [], events: [event(n, { ...place, parentSpanId: undefined, endMs: place.startMs, attributes })] }
    }
    const written: WrittenCall = call({ ...place, ...said, responseId: `answer ${n}`, settled: kind === 'settled' })
    return { calls: [written] }
  }

  it('come to the same in any order, together or apart', async () => {
    await fc.assert(
      fc.asyncProperty(
        pieces.chain((found) =>
          fc.tuple(
            fc.constant(found),
            fc.shuffledSubarray(
              found.map((_, n) => n),
              { minLength: found.length, maxLength: found.length },
            ),
            fc.integer({ min: 1, max: 4 }),
          ),
        ),
        async ([found, order, size]) => {
          const batches = found.map(batchOf)
          const inOrder = await ledger(batches)
          const shuffled: Batch[] = []
          for (let at = 0; at < order.length; at += size) {
            const some = order.slice(at, at + size).map((n) => batches[n] ?? { calls: [] })
            shuffled.push({
              calls: some.flatMap(({ calls }) => calls),
              links: some.flatMap(({ links = [] }) => links),
              events: some.flatMap(({ events = [] }) => events),
            })
          }
          const other = await ledger(shuffled)
          expect(await eventContents(other)).toEqual(await eventContents(inOrder))
          expect(await contents(other)).toEqual(await contents(inOrder))
          expect(await other.verify()).toMatchObject({ ok: true })
          for (const store of [inOrder, other]) await store.close()
        },
      ),
      { numRuns: 80 },
    )
  }, 60_000)
})
