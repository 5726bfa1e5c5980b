// An app that makes calls and then ends in the way it is told: node app.mjs '{"store":…,"calls":…,"end":…}'.
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'

import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { context, trace } from '@opentelemetry/api'
import { LedgerSpanProcessor } from '@spanledger/exporter'

const { store, calls, end, sdk = 2, options = {}, user } = JSON.parse(process.argv[2] ?? '{}')

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const processor = new LedgerSpanProcessor({ store, ...options })
const Provider =
  sdk === 3
    ? (await import('@opentelemetry/sdk-trace')).TracerProvider
    : (await import('@opentelemetry/sdk-trace-base')).BasicTracerProvider
const provider = new Provider({ spanProcessors: [processor] })
const tracer = provider.getTracer('app')

function makeCall(parentContext = context.active()) {
  tracer
    .startSpan(
      'chat gpt-4o-mini',
      {
        attributes: {
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'openai',
          'gen_ai.request.model': 'gpt-4o-mini',
          'gen_ai.usage.input_tokens': 100,
          'gen_ai.usage.output_tokens': 10,
        },
      },
      parentContext,
    )
    .end()
}

function makeCalls(count) {
  for (let n = 0; n < count; n++) makeCall()
}

const ends = {
  'after saying what it runs on': async () => {
    const parts = ['@opentelemetry/api', '@opentelemetry/sdk-trace'].map((name) => import.meta.resolve(name))
    process.stdout.write(JSON.stringify(parts))
  },
  naturally: () => makeCalls(calls),
  'naturally, with nothing to write': () => undefined,
  'naturally, with a code of its own': () => {
    makeCalls(calls)
    process.exitCode = 7
  },
  'naturally, having removed at the very end what was in the way': () => {
    makeCalls(calls)
    process.prependListener('exit', () => rmSync(dirname(store)))
  },
  'naturally, after a call that it makes last': () => {
    makeCalls(calls)
    process.once('beforeExit', () => setTimeout(() => makeCall(), 50))
  },
  'naturally, within a span': () => {
    const root = tracer.startSpan('root', { attributes: { 'user.id': user } })
    for (let n = 0; n < calls; n++) makeCall(trace.setSpan(context.active(), root))
  },
  'within a span': () => {
    const root = tracer.startSpan('root')
    for (let n = 0; n < calls; n++) makeCall(trace.setSpan(context.active(), root))
    root.setAttribute('user.id', user)
    root.end()
  },
  'by process.exit': () => {
    makeCalls(calls)
    process.exit(0)
  },
  'by an uncaught error': () => {
    makeCalls(calls)
    throw new Error('the app is broken')
  },
  'by SIGTERM': () => {
    setInterval(() => undefined, 1000)
    makeCalls(calls)
    process.kill(process.pid, 'SIGTERM')
  },
  'by SIGTERM, which it handles': () => {
    const interval = setInterval(() => undefined, 1000)
    process.once('SIGTERM', () => {
      makeCalls(1)
      setTimeout(() => {
        clearInterval(interval)
        process.exitCode = 7
      }, 50)
    })
    makeCalls(calls)
    process.kill(process.pid, 'SIGTERM')
  },
  'by shutdown': async () => {
    makeCalls(calls)
    await provider.shutdown()
    process.exit(0)
  },
  /** Says how many calls are safe, after each flush; is killed by whoever started it. */
  never: async () => {
    for (let made = 10; ; made += 10) {
      makeCalls(10)
      await provider.forceFlush()
      process.stdout.write(`${made}\n`)
    }
  },
}

await ends[end]()
