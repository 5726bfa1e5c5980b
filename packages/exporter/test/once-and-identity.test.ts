import { trace, type Tracer } from '@opentelemetry/api'
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'

import { LedgerSpanExporter } from '@spanledger/exporter'

import { callAttributes, contextOfUser, makeCall, startApp, startSpan, startTracer } from './app.ts'
import { findFaults, readLines, tempLedger } from './ledger.ts'

/** The two entrances from an app's SDK. Whatever is true of one is true of the other. */
const entrances = {
  processor: async (path: string, act: (tracer: Tracer) => void | Promise<void>, resource = {}): Promise<void> => {
    const { tracer, processor } = startApp({ store: path }, { resource })
    await act(tracer)
    await processor.shutdown()
    expect(processor.state()).toMatchObject({ queued: 0, queuedBytes: 0, droppedSpans: 0, faults: 0, lastError: undefined })
  },
  exporter: async (path: string, act: (tracer: Tracer) => void | Promise<void>, resource = {}): Promise<void> => {
    const batch = new BatchSpanProcessor(new LedgerSpanExporter({ store: path }))
    await act(startTracer([batch], { resource }))
    await batch.shutdown()
  },
}

describe.each(Object.entries(entrances))('from an SDK by the %s', (_name, run) => {
  it('a call becomes one line with the user, session and properties on it', async () => {
    const path = tempLedger()
    let span = ''
    await run(path, (tracer) => {
      span = makeCall(tracer, { 'user.id': 'ada', 'session.id': 's-1', 'property.Plan': 'pro', 'property.seats': 3 })
    })
    expect(await readLines(path)).toEqual([
      { span, user: 'ada', session: 's-1', counted: true, inputTokens: 100, properties: { plan: 'pro', seats: '3' } },
    ])
  })

  it('spans that are no calls leave no line', async () => {
    const path = tempLedger()
    await run(path, (tracer) => {
      startSpan(tracer, { 'http.request.method': 'GET' }).end()
      makeCall(tracer)
    })
    expect(await readLines(path)).toHaveLength(1)
  })

  it('a call that wraps another is not counted, whether the outer one is marked at its start or only at its end', async () => {
    const path = tempLedger()
    const inner: string[] = []
    await run(path, (tracer) => {
      const marked = startSpan(tracer, callAttributes)
      inner.push(makeCall(tracer, {}, marked))
      marked.end()
      const late = startSpan(tracer)
      const between = startSpan(tracer, {}, late)
      inner.push(makeCall(tracer, {}, between))
      between.end()
      late.setAttributes(callAttributes)
      late.end()
    })
    const lines = await readLines(path)
    expect(lines).toHaveLength(4)
    expect(lines.filter((line) => line.counted).map((line) => line.span)).toEqual(inner.sort())
  })

  it('an agent that repeats the usage of its calls is not counted, one without calls is', async () => {
    const path = tempLedger()
    const agent = { ...callAttributes, 'gen_ai.operation.name': 'invoke_agent' }
    const counted: string[] = []
    await run(path, (tracer) => {
      const busy = startSpan(tracer, agent)
      counted.push(makeCall(tracer, {}, busy), makeCall(tracer, {}, busy))
      busy.end()
      counted.push(makeCall(tracer, agent))
    })
    const lines = await readLines(path)
    expect(lines.filter((line) => line.counted).map((line) => line.span)).toEqual(counted.sort())
    expect(lines).toHaveLength(4)
  })

  it('two spans of one answer in a trace count once', async () => {
    const path = tempLedger()
    await run(path, (tracer) => {
      const root = startSpan(tracer)
      makeCall(tracer, { 'gen_ai.response.id': 'chatcmpl-1' }, root)
      makeCall(tracer, { 'gen_ai.response.id': 'chatcmpl-1' }, root)
      makeCall(tracer, { 'gen_ai.response.id': 'chatcmpl-2' }, root)
      root.end()
    })
    expect((await readLines(path)).map((line) => line.counted).sort()).toEqual([false, true, true])
  })

  it('a call without user has that of the nearest span above it, also where that got it after the call had ended', async () => {
    const path = tempLedger()
    await run(path, (tracer) => {
      const root = startSpan(tracer, { 'property.plan': 'pro' })
      const request = startSpan(tracer, {}, root)
      makeCall(tracer, {}, request)
      request.setAttribute('session.id', 's-9')
      request.end()
      root.setAttributes({ 'user.id': 'late', 'property.plan': 'free', 'session.id': 'not-this-one' })
      root.end()
    })
    expect(await readLines(path)).toMatchObject([{ user: 'late', session: 's-9', properties: { plan: 'free' } }])
  })

  it('a call keeps its own user before that of a span above it, and has that of the resource last', async () => {
    const path = tempLedger()
    await run(
      path,
      (tracer) => {
        const root = startSpan(tracer, { 'user.id': 'root' })
        makeCall(tracer, { 'user.id': 'own' }, root)
        root.end()
        makeCall(tracer)
      },
      { 'user.id': 'resource', 'property.environment': 'test' },
    )
    const lines = await readLines(path)
    expect(lines.map(({ user, properties }) => [user, properties]).sort()).toEqual([
      ['own', { environment: 'test' }],
      ['resource', { environment: 'test' }],
    ])
  })
})

describe('LedgerSpanProcessor', () => {
  it('stamps the user in scope on every span, also third-party ones', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const span = startSpan(tracer, callAttributes, undefined, contextOfUser('ada', { session: 's-1', plan: 'pro' }))
    expect((span as unknown as { attributes: object }).attributes).toEqual({
      ...callAttributes,
      'user.id': 'ada',
      'session.id': 's-1',
      'property.Plan': 'pro',
    })
    span.end()
    await processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ user: 'ada', session: 's-1', properties: { plan: 'pro' } }])
  })

  it('keeps the user in scope although 128 attributes follow', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const span = startSpan(tracer, {}, undefined, contextOfUser('ada'))
    span.setAttributes(callAttributes)
    for (let n = 0; n < 200; n++) span.setAttribute(`llm.input.${n}`, 'x')
    span.setAttribute('user.id', 'last')
    span.end()
    await processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ user: 'last', inputTokens: 100 }])
  })

  it('writes a call within a long trace at once, and gives it the user that the trace gets later', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const root = startSpan(tracer)
    makeCall(tracer, {}, root)
    await processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ user: '(none)', counted: true }])
    root.setAttribute('user.id', 'late')
    root.end()
    await processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ user: 'late', counted: true }])
    expect(await findFaults(path)).toEqual([])
  })

  it('takes back a call that was written before its wrapper was known', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const outer = startSpan(tracer, { ...callAttributes, 'gen_ai.usage.input_tokens': 300 })
    const agent = startSpan(tracer, {}, outer)
    makeCall(tracer, {}, agent)
    await processor.forceFlush()
    makeCall(tracer, { 'gen_ai.usage.input_tokens': 200 }, agent)
    agent.end()
    outer.end()
    await processor.forceFlush()
    const lines = await readLines(path)
    expect(lines.map((line) => [line.inputTokens, line.counted]).sort()).toEqual([
      [100, true],
      [200, true],
      [300, false],
    ])
  })

  it('tells of the spans above a call when the process ends before they do', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const root = startSpan(tracer, { 'user.id': 'ada' })
    makeCall(tracer, {}, root)
    await processor.shutdown()
    expect(await readLines(path)).toMatchObject([{ user: 'ada' }])
  })

  it('tells of them also when a flush is asked for at the same time', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const root = startSpan(tracer, { 'user.id': 'ada' })
    makeCall(tracer, {}, root)
    const earlier = processor.forceFlush()
    makeCall(tracer, {}, root)
    await Promise.all([earlier, processor.forceFlush(), processor.shutdown()])
    expect((await readLines(path)).map((line) => line.user)).toEqual(['ada', 'ada'])
  })

  it('does not count a call whose HTTP request was answered by a gateway that wrote a call of its own', async () => {
    const path = tempLedger()
    const app = startApp({ store: path })
    const gateway = startApp({ store: path })
    const outer = startSpan(app.tracer, callAttributes)
    const http = app.tracer.startSpan('POST', { kind: 2 }, trace.setSpan(contextOfUser('ada'), outer))
    const remote = trace.wrapSpanContext({ ...http.spanContext(), isRemote: true })
    const inner = makeCall(gateway.tracer, {}, remote)
    await gateway.processor.forceFlush()
    http.end()
    outer.end()
    await app.processor.forceFlush()
    const lines = await readLines(path)
    expect(lines.filter((line) => line.counted).map((line) => line.span)).toEqual([inner])
    expect(lines).toHaveLength(2)
  })

  it('finds the user in another process of the trace when that links all its spans', async () => {
    const path = tempLedger()
    const front = startApp({ store: path, linkAllSpans: true })
    const back = startApp({ store: path })
    const request = startSpan(front.tracer, { 'user.id': 'ada' })
    makeCall(back.tracer, {}, trace.wrapSpanContext({ ...request.spanContext(), isRemote: true }))
    await back.processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ user: '(none)' }])
    request.end()
    await front.processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ user: 'ada' }])
  })

  it('reads a span that it did not see start', async () => {
    const path = tempLedger()
    const { processor } = startApp({ store: path })
    const ended: unknown[] = []
    const other = startTracer([
      {
        onStart: () => undefined,
        onEnd: (span) => void ended.push(span),
        forceFlush: async () => undefined,
        shutdown: async () => undefined,
      },
    ])
    const span = makeCall(other)
    processor.onEnd(ended[0] as Parameters<typeof processor.onEnd>[0])
    await processor.forceFlush()
    expect(await readLines(path)).toMatchObject([{ span, counted: true }])
  })

  it('changes nothing on an ended span', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    const span = startSpan(tracer, callAttributes)
    span.end()
    const before = JSON.stringify((span as unknown as { attributes: object }).attributes)
    await processor.forceFlush()
    expect(JSON.stringify((span as unknown as { attributes: object }).attributes)).toBe(before)
  })
})
