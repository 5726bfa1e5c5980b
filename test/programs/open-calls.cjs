// An app with calls that are not over when it ends: node open-calls.cjs '{"store":…,"end":…}'.
const { NodeSDK } = require('@opentelemetry/sdk-node')
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base')
const { startStandIn } = require('@spanledger/stand-in')
const { IdentitySpanProcessor, LedgerSpanExporter, LedgerSpanProcessor, LlmInstrumentation, withUser } = require('spanledger')

const { store, end } = JSON.parse(process.argv[2] ?? '{}')

const spanProcessors =
  end === 'by shutdown, with an exporter'
    ? [new IdentitySpanProcessor(), new BatchSpanProcessor(new LedgerSpanExporter({ store }))]
    : [new LedgerSpanProcessor({ store })]
const sdk = new NodeSDK({ serviceName: 'shop', instrumentations: [new LlmInstrumentation()], spanProcessors })
sdk.start()
const { OpenAI } = require('openai')
const { Anthropic } = require('@anthropic-ai/sdk')

const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] }
const message = { model: 'claude-sonnet-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] }

async function main() {
  const provider = await startStandIn()
  const openai = new OpenAI({ baseURL: `${provider.url}/v1`, apiKey: 'none' })
  const anthropic = new Anthropic({ baseURL: provider.url, apiKey: 'none' })
  const headers = { 'x-stand-in': JSON.stringify({ chunks: 20, outputTokens: 200 }) }

  await withUser('awaited', () => openai.chat.completions.create(chat))
  await withUser('not awaited', async () => void openai.chat.completions.create(chat))
  await withUser('raw', () => openai.chat.completions.create(chat).asResponse())
  await withUser('unread', () => openai.chat.completions.create({ ...chat, stream: true }))
  const streams = [
    await withUser('reading', () =>
      openai.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } }, { headers }),
    ),
    await withUser('reading native', () => anthropic.messages.create({ ...message, stream: true }, { headers })),
  ].map((stream) => stream[Symbol.asyncIterator]())
  const waiting = new AbortController()
  const untilAborted = (_url, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const silent = new OpenAI({ apiKey: 'none', maxRetries: 0, fetch: untilAborted })
  void withUser('waiting', () => silent.chat.completions.create(chat, { signal: waiting.signal })).catch(() => undefined)
  for (const stream of streams) for (let n = 0; n < 8; n++) await stream.next()
  while (provider.requests.length < 6) await new Promise((resolve) => setTimeout(resolve, 20))

  const readOn = async () => {
    const read = []
    for (const stream of streams) {
      let chunks = 0
      while (!(await stream.next()).done) chunks++
      read.push(chunks)
    }
    return read
  }
  const ends = {
    'by shutdown': () => sdk.shutdown(),
    'by shutdown, with an exporter': () => sdk.shutdown(),
    'by shutdown, and reads on': async () => {
      await sdk.shutdown()
      process.stdout.write(JSON.stringify(await readOn()))
    },
    'by shutdown, and calls on': async () => {
      await sdk.shutdown()
      await openai.chat.completions.create(chat)
      require('@opentelemetry/api').trace.getTracer('shop').startSpan('GET /').end()
      waiting.abort()
      await provider.close()
    },
    'by shutdown, a call and process.exit': async () => {
      await sdk.shutdown()
      await openai.chat.completions.create(chat)
    },
    'by SIGTERM': async () => {
      process.kill(process.pid, 'SIGTERM')
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    },
    'by SIGTERM, having read its streams': async () => {
      process.once('SIGTERM', async () => {
        await readOn()
        await sdk.shutdown()
        process.exit(0)
      })
      process.kill(process.pid, 'SIGTERM')
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    },
    'by process.exit': () => undefined,
  }
  await ends[end]()
  if (end !== 'by shutdown, and calls on') process.exit(0)
}

void main()
