import { ROOT_CONTEXT, trace, type Span } from '@opentelemetry/api'
import { describe, expect, it } from 'vitest'

import { SpanTrees, type SpanNode } from '../src/span-tree.ts'
import type { EndedSpan } from '../src/span-shape.ts'
import { callAttributes, makeCall, startSpan, startTracer } from './app.ts'

/** Trees that follow a real tracer and read each span as it ends. */
function startTrees(): { trees: SpanTrees; tracer: ReturnType<typeof startTracer> } {
  const trees = new SpanTrees()
  const tracer = startTracer([
    {
      onStart: (span) => trees.start(span, span.parentSpanContext),
      onEnd: (span) => trees.read(trees.end(span as EndedSpan)),
      forceFlush: async () => undefined,
      shutdown: async () => undefined,
    },
  ])
  return { trees, tracer }
}

function taken(trees: SpanTrees): { settled: string[]; open: string[]; links: string[] } {
  const { calls, links = [] } = trees.take()
  return {
    settled: calls.filter((call) => call.settled).map((call) => call.spanId),
    open: calls.filter((call) => !call.settled).map((call) => call.spanId),
    links: links.map((link) => link.spanId),
  }
}

const id = (span: Span): string => span.spanContext().spanId

describe('SpanTrees', () => {
  it('settles a call that is a whole trace, and one below a root that has ended, and links nothing', () => {
    const { trees, tracer } = startTrees()
    const alone = makeCall(tracer)
    const root = startSpan(tracer)
    const below = [makeCall(tracer, { 'gen_ai.response.id': '1' }, root), makeCall(tracer, { 'gen_ai.response.id': '2' }, root)]
    startSpan(tracer, {}, root).end()
    root.end()
    expect(taken(trees)).toEqual({ settled: [alone, ...below], open: [], links: [] })
  })

  it('hands over a call whose root still lives, and links the spans above it when they end, once', () => {
    const { trees, tracer } = startTrees()
    const root = startSpan(tracer)
    const step = startSpan(tracer, {}, root)
    const call = makeCall(tracer, {}, step)
    expect(taken(trees)).toEqual({ settled: [], open: [call], links: [] })
    startSpan(tracer, {}, root).end()
    step.end()
    root.end()
    expect(taken(trees)).toEqual({ settled: [], open: [], links: [id(step), id(root)] })
    expect(trees.waiting).toBe(0)
  })

  it('hands over later calls of a trace of which some were handed over', () => {
    const { trees, tracer } = startTrees()
    const root = startSpan(tracer)
    const first = makeCall(tracer, {}, root)
    expect(taken(trees).open).toEqual([first])
    const second = makeCall(tracer, {}, root)
    root.end()
    expect(taken(trees)).toEqual({ settled: [], open: [second], links: [id(root)] })
  })

  it('hands over both of two calls of which one is below the other', () => {
    const { trees, tracer } = startTrees()
    const outer = startSpan(tracer, callAttributes)
    const inner = makeCall(tracer, {}, outer)
    outer.end()
    expect(taken(trees)).toEqual({ settled: [], open: [inner, id(outer)], links: [] })
  })

  it('hands over a call with a client span below it, and links all between: the trace may go on elsewhere', () => {
    const { trees, tracer } = startTrees()
    const call = startSpan(tracer, callAttributes)
    const attempt = startSpan(tracer, {}, call)
    const request = tracer.startSpan('POST', { kind: 2 }, trace.setSpan(ROOT_CONTEXT, attempt))
    request.end()
    attempt.end()
    call.end()
    expect(taken(trees)).toEqual({ settled: [], open: [id(call)], links: [id(request), id(attempt)] })
  })

  it('hands over a call of a trace that came from elsewhere', () => {
    const { trees, tracer } = startTrees()
    const remote = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1, isRemote: true })
    const server = startSpan(tracer, {}, remote)
    const call = makeCall(tracer, {}, server)
    server.end()
    expect(taken(trees)).toEqual({ settled: [], open: [call], links: [id(server)] })
  })

  it('hands over the calls of a trace of which a span was dropped', () => {
    const trees = new SpanTrees()
    const dropped: SpanNode[] = []
    const tracer = startTracer([
      {
        onStart: (span) => trees.start(span, span.parentSpanContext),
        onEnd: (span) => {
          const node = trees.end(span as EndedSpan)
          if (span.name === 'dropped') trees.miss(node)
          else trees.read(node)
          dropped.push(node)
        },
        forceFlush: async () => undefined,
        shutdown: async () => undefined,
      },
    ])
    const root = startSpan(tracer)
    const call = makeCall(tracer, {}, root)
    tracer.startSpan('dropped', {}, trace.setSpan(ROOT_CONTEXT, root)).end()
    root.end()
    expect(taken(trees)).toEqual({ settled: [], open: [call], links: [id(root)] })
  })

  it('hands over both of two calls with one response id', () => {
    const { trees, tracer } = startTrees()
    const root = startSpan(tracer)
    const calls = [makeCall(tracer, { 'gen_ai.response.id': 'x' }, root), makeCall(tracer, { 'gen_ai.response.id': 'x' }, root)]
    root.end()
    expect(taken(trees)).toEqual({ settled: [], open: calls, links: [id(root)] })
  })

  it('gives a settled call what the spans above it and the resource say, the nearest first', () => {
    const { trees, tracer } = startTrees()
    const root = startSpan(tracer, { 'user.id': 'far', 'property.plan': 'pro' })
    const step = startSpan(tracer, { 'session.id': 's' }, root)
    makeCall(tracer, { 'property.feature': 'chat' }, step)
    step.setAttribute('user.id', 'near')
    step.end()
    root.end()
    expect(trees.take().calls).toMatchObject([
      {
        settled: true,
        user: 'near',
        session: 's',
        properties: new Map([
          ['feature', { name: 'feature', value: 'chat' }],
          ['plan', { name: 'plan', value: 'pro' }],
        ]),
      },
    ])
  })
})
