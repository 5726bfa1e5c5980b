import { context, diag, DiagLogLevel, propagation, ROOT_CONTEXT, trace, type Span } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { allowBaggage } from '../src/baggage.ts'
import { currentIdentity, IdentitySpanProcessor, instrumentationState, withProperties, withSession, withUser } from '../src/index.ts'
import { startTracing, type Tracing } from './tracing.ts'

/** Who is in scope, as plain data. */
function scope(): object {
  const { user, session, properties } = currentIdentity()
  return { user, session, properties: Object.fromEntries([...properties.values()].map(({ name, value }) => [name, value])) }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

let tracing: Tracing | undefined
const attributesByName = (): object => Object.fromEntries(tracing!.spans().map((span) => [span.name, span.attributes]))
const tracer = (): ReturnType<typeof trace.getTracer> => trace.getTracer('some-other-library')
const outbound = (): Record<string, string> => {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  return carrier
}
afterEach(async () => {
  await tracing?.stop()
  tracing = undefined
  allowBaggage({ read: [], write: [] })
})

describe.each(['without any SDK', 'with an SDK'])('the identity in scope %s', (kind) => {
  beforeEach(() => {
    if (kind === 'with an SDK') tracing = startTracing()
  })

  it('is nobody outside of any scope', () => {
    expect(scope()).toEqual({ user: undefined, session: undefined, properties: {} })
  })

  it('is what withUser says, for functions that return and that wait', async () => {
    const expected = { user: 'u-1', session: 's-1', properties: { Plan: 'premium', seats: '3' } }
    const options = { sessionId: 's-1', properties: { Plan: 'premium', seats: 3 } }
    expect(withUser('u-1', options, scope)).toEqual(expected)
    const later = withUser('u-1', options, async () => {
      await turns(2)
      return scope()
    })
    expect(scope()).toEqual({ user: undefined, session: undefined, properties: {} })
    expect(await later).toEqual(expected)
    expect(withUser('u-2', scope)).toEqual({ user: 'u-2', session: undefined, properties: {} })
  })

  it('costs an app whose properties throw when they are read those properties, and nothing else', () => {
    diag.setLogger({ error() {}, warn() {}, info() {}, debug() {}, verbose() {} }, DiagLogLevel.NONE)
    const before = instrumentationState().failures.identity ?? 0
    const oneThrows = {
      Plan: 'pro',
      get Feature(): string {
        return raise()
      },
      Region: 'eu',
    }
    const allThrow = new Proxy({}, { ownKeys: () => raise() })
    const unreadable = new Proxy({}, { get: () => raise() })
    expect(withUser('u-1', { properties: oneThrows }, scope)).toEqual({
      user: 'u-1',
      session: undefined,
      properties: { Plan: 'pro', Region: 'eu' },
    })
    expect(withUser('u-1', () => withProperties(oneThrows, scope))).toMatchObject({ properties: { Plan: 'pro', Region: 'eu' } })
    expect(withUser('u-1', () => withProperties(allThrow, scope))).toEqual({ user: 'u-1', session: undefined, properties: {} })
    expect(withUser('u-2', unreadable, scope)).toEqual({ user: 'u-2', session: undefined, properties: {} })
    expect((instrumentationState().failures.identity ?? 0) - before).toBe(4)
    diag.disable()
  })

  it('merges what nested scopes say, the inner one winning for each user, session and property key', () => {
    const inner = withUser('outer', { sessionId: 's-1', properties: { Plan: 'pro', Region: 'eu' } }, () =>
      withSession('s-2', () => withProperties({ plan: 'free', Feature: 'chat' }, () => withUser('inner', scope))),
    )
    expect(inner).toEqual({ user: 'inner', session: 's-2', properties: { plan: 'free', Region: 'eu', Feature: 'chat' } })
  })

  it('returns to the outer scope when the inner one is over, also when it throws', () => {
    withUser('outer', () => {
      expect(() =>
        withUser('inner', () => {
          throw new Error('stop')
        }),
      ).toThrow('stop')
      expect(scope()).toMatchObject({ user: 'outer' })
    })
  })

  it('does not mix the users of 500 branches that run at once', async () => {
    const seen = await Promise.all(
      Array.from({ length: 500 }, (_, n) =>
        withUser(`user-${n}`, { properties: { n } }, async () => {
          await turns(n % 7)
          const before = scope()
          const inside = await withSession(`session-${n}`, async () => {
            await turns(n % 3)
            return scope()
          })
          return [before, inside, scope()]
        }),
      ),
    )
    expect(seen).toEqual(
      Array.from({ length: 500 }, (_, n) => {
        const own = { user: `user-${n}`, session: undefined, properties: { n: String(n) } }
        return [own, { ...own, session: `session-${n}` }, own]
      }),
    )
  })

  it('keeps a user apart from an outer one whatever its id holds', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.double(), fc.boolean())),
        (id, properties) => {
          const inside = withUser('outer', () => withUser(id, { properties }, () => currentIdentity().user))
          const isSaid = !['', 'undefined', 'null', '(none)', 'NaN', '[object Object]'].includes(id.trim())
          expect(inside === 'outer').toBe(!isSaid || id.trim() === 'outer')
        },
      ),
    )
  })

  it('counts ids that are hashed or refused', () => {
    const before = instrumentationState().identityFaults
    withUser('x'.repeat(10_000), () => expect(currentIdentity().user).toMatch(/^sha256:[0-9a-f]{64}$/))
    withUser('a\u0000b', () => expect(currentIdentity().user).toBe('a\u0000b'))
    const after = instrumentationState().identityFaults
    expect([
      (after['user_hashed'] ?? 0) - (before['user_hashed'] ?? 0),
      (after['user_refused'] ?? 0) - (before['user_refused'] ?? 0),
    ]).toEqual([1, 1])
  })

  it('says what is missing when the function was forgotten', () => {
    // @ts-expect-error -- what JavaScript apps may write
    expect(() => withUser('u-1', {})).toThrow('The last argument must be the function to run')
  })
})

describe('spans in scope', () => {
  it('are stamped whoever makes them; what a span says itself wins', () => {
    tracing = startTracing({ processors: [new IdentitySpanProcessor()] })
    withUser('u-1', { sessionId: 's-1', properties: { Plan: 'pro', Feature: 'chat' } }, () => {
      tracer().startSpan('plain').end()
      tracer()
        .startSpan('explicit', { attributes: { 'user.id': 'someone', 'property.plan': 'free' } })
        .end()
    })
    tracer().startSpan('outside').end()
    expect(attributesByName()).toEqual({
      plain: { 'user.id': 'u-1', 'session.id': 's-1', 'property.Plan': 'pro', 'property.Feature': 'chat' },
      explicit: { 'user.id': 'someone', 'session.id': 's-1', 'property.plan': 'free', 'property.Feature': 'chat' },
      outside: {},
    })
  })

  it('that are running already are stamped when the user becomes known late', () => {
    tracing = startTracing()
    tracer().startActiveSpan('request', (span) => {
      withUser('u-1', { properties: { Plan: 'pro' } }, () => withUser('u-2', () => {}))
      span.end()
    })
    tracer().startActiveSpan('explicit', { attributes: { 'user.id': 'someone' } }, (span) => {
      withUser('u-1', () => {})
      span.end()
    })
    expect(attributesByName()).toEqual({ request: { 'user.id': 'u-1', 'property.Plan': 'pro' }, explicit: { 'user.id': 'someone' } })
  })

  it('that serve several users belong to none of them', async () => {
    tracing = startTracing()
    await tracer().startActiveSpan('batch', async (span: Span) => {
      await Promise.all(['u-1', 'u-2', 'u-3'].map((id) => withUser(id, { properties: { Plan: 'pro', id } }, () => turns(1))))
      span.end()
    })
    expect(attributesByName()).toEqual({ batch: { 'property.Plan': 'pro' } })
  })
})

describe('baggage', () => {
  const inbound = propagation.setBaggage(
    ROOT_CONTEXT,
    propagation.createBaggage({ 'user.id': { value: 'from-outside' }, 'property.plan': { value: 'pro' }, other: { value: 'x' } }),
  )
  it('is neither read nor written unless named', () => {
    tracing = startTracing()
    expect(context.with(inbound, scope)).toMatchObject({ user: undefined })
    expect(withUser('u-1', outbound)).toEqual({})
  })

  it('is read where named, and withUser beats it', () => {
    tracing = startTracing()
    allowBaggage({ read: ['user.id', 'property.*'], write: [] })
    expect(context.with(inbound, scope)).toEqual({ user: 'from-outside', session: undefined, properties: { plan: 'pro' } })
    expect(context.with(inbound, () => withUser('u-1', scope))).toEqual({ user: 'u-1', session: undefined, properties: { plan: 'pro' } })
  })

  it('is written where named', () => {
    tracing = startTracing()
    allowBaggage({ read: [], write: ['user.id', 'property.plan'] })
    expect(withUser('jörg', { sessionId: 's-1', properties: { Plan: 'pro', Feature: 'chat' } }, outbound)).toEqual({
      baggage: 'user.id=j%C3%B6rg,property.plan=pro',
    })
  })
})

describe('IdentitySpanProcessor', () => {
  it('lets nothing of its own failures out', () => {
    diag.setLogger({ error() {}, warn() {}, info() {}, debug() {}, verbose() {} }, DiagLogLevel.NONE)
    const frozen = { setAttribute: () => raise() } as unknown as ReadableSpan & { setAttribute(): never }
    withUser('u-1', () => expect(() => new IdentitySpanProcessor().onStart(frozen, context.active())).not.toThrow())
  })
})

function raise(): never {
  throw new Error('broken')
}
