import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { openCollector } from '@spanledger/collector'
import { LedgerSpanProcessor } from '@spanledger/exporter'
import { instrument, withUser } from '@spanledger/instrumentation'
import { startStandIn } from '@spanledger/stand-in'
import OpenAI from 'openai'
import { expect, it, onTestFinished } from 'vitest'

import { ask, faultsOf, tempLedger } from './app.ts'

const body = { model: 'gpt-4o-mini', messages: [{ role: 'user' as const, content: 'Hello' }] }

/** A gateway in front of a provider, which reports each answer by OTLP in a trace of its own and knows no user. */
async function startGateway(providerUrl: string, collectorUrl: string): Promise<string> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      void (async () => {
        const startMs = Date.now()
        const answer = await fetch(providerUrl + request.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: 'Bearer none' },
          body: Buffer.concat(chunks),
        })
        const text = await answer.text()
        await report(collectorUrl, JSON.parse(text) as Completion, startMs)
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text)
      })()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Completion {
  readonly id: string
  readonly model: string
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }
}

async function report(url: string, { id, model, usage }: Completion, startMs: number): Promise<void> {
  const attributes = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': body.model,
    'gen_ai.response.model': model,
    'gen_ai.response.id': id,
    'gen_ai.usage.input_tokens': usage.prompt_tokens,
    'gen_ai.usage.output_tokens': usage.completion_tokens,
  }
  const span = {
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: 'chat',
    startTimeUnixNano: `${startMs}000000`,
    endTimeUnixNano: `${Date.now()}000000`,
    attributes: Object.entries(attributes).map(([key, value]) => ({
      key,
      value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
    })),
  }
  const answer = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  })
  expect(answer.status).toBe(200)
}

it('an app and the gateway it calls report each answer in two traces, and it counts once, for the user whom the app names', async () => {
  const path = tempLedger()
  const standIn = await startStandIn()
  onTestFinished(() => standIn.close())
  const collector = await openCollector({ httpPort: 0, grpcPort: 'off', store: { path } })
  onTestFinished(() => collector.close())
  const gatewayUrl = await startGateway(standIn.url, collector.httpUrl)

  const processor = new LedgerSpanProcessor({ store: path })
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }))
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  onTestFinished(async () => {
    await processor.shutdown()
    trace.disable()
    context.disable()
  })
  instrument(OpenAI)
  const client = new OpenAI({ apiKey: 'none', baseURL: `${gatewayUrl}/v1`, maxRetries: 0 })

  // Somebody else's call, which only the gateway reports; from then on the ledger has two kinds of writers.
  await fetch(`${gatewayUrl}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) })
  for (const user of ['ada', 'bob', 'ada']) await withUser(user, () => client.chat.completions.create(body))
  await processor.forceFlush()

  expect(standIn.requests).toHaveLength(4)
  const rows = await ask(path, { metrics: ['requests', 'cost_usd'], by: ['user'] })
  expect(rows.map(([user, requests]) => [user, requests]).sort()).toEqual([
    ['(none)', 1],
    ['ada', 2],
    ['bob', 1],
  ])
  const billed = standIn.requests.flatMap((request) => request.billed).reduce((sum, { usage }) => sum + usage.outputTokens, 0)
  expect(await ask(path, { metrics: ['output_tokens'] })).toEqual([[billed]])
  expect(await faultsOf(path)).toEqual([])
})
