import type Anthropic from '@anthropic-ai/sdk'
import { withProperties, withSession, withUser } from '@spanledger/instrumentation'
import type { BilledPart, StandIn } from '@spanledger/stand-in'
import type OpenAI from 'openai'

/** What the live calls came to, by the stand-in's own books. */
export interface LiveCalls {
  readonly users: readonly string[]
  /** Calls that the app made, the failed one included; retries inside an SDK are part of their call. */
  readonly calls: number
  readonly failed: number
  /** What the stand-in charged for; the ledger should show the same tokens. */
  readonly billed: readonly BilledPart[]
}

/**
 * Calls the stand-in with the real SDKs as five users at once: JSON and streams, chat, responses, embeddings, messages;
 * cached tokens, cache writes of an hour, reasoning, several models in one answer, a retry inside the SDK, a call that
 * fails. Three users are named by `withUser`, one by Helicone's headers, one by the `user` parameter.
 * @throws Error when `openai` or `@anthropic-ai/sdk` is not installed
 */
export async function liveCalls({ standIn }: { standIn: StandIn }): Promise<LiveCalls> {
  const alreadyRecorded = standIn.requests.length
  const clients = await openClients(standIn.url)
  const tally: Tally = { calls: 0, failed: 0 }
  await Promise.all(Object.values(people).map((live) => live(clients, tally)))
  return { users: Object.keys(people), ...tally, billed: standIn.requests.slice(alreadyRecorded).flatMap(({ billed }) => billed) }
}

interface Tally {
  calls: number
  failed: number
}

/** A day of each user. */
const people: Readonly<Record<string, (clients: Clients, tally: Tally) => Promise<void>>> = {
  'ada@example.com': (clients, tally) =>
    withUser(
      'ada@example.com',
      { sessionId: 'ada-review-1', properties: { plan: 'enterprise', feature: 'code_review', environment: 'production' } },
      () => reviewCode(clients, tally),
    ),
  'ben@example.com': (clients, tally) =>
    withUser('ben@example.com', { sessionId: 'ben-chat-1', properties: { plan: 'pro', feature: 'chat', environment: 'production' } }, () =>
      chat(clients, tally),
    ),
  'chen@example.com': (clients, tally) =>
    withUser('chen@example.com', { properties: { plan: 'team' } }, () => searchAndReason(clients, tally)),
  'dora@example.com': chatThroughHeaders,
  'eli@example.com': askWithUserParameter,
}

/** Messages with a prompt that is cached for an hour, an answer that two models made, and streams. */
async function reviewCode({ anthropic }: Clients, tally: Tally): Promise<void> {
  const prompt = { model: 'claude-haiku-4-5', max_tokens: 2000, messages: [{ role: 'user' as const, content: 'Review this function.' }] }
  await counted(tally, () => anthropic.messages.create(prompt, steered({ cacheWrite1hTokens: 2800, outputTokens: 180 })))
  for (let turn = 0; turn < 4; turn++) {
    await withProperties({ environment: turn === 3 ? 'staging' : 'production' }, () =>
      counted(tally, () =>
        readAll(anthropic.messages.create({ ...prompt, stream: true }, steered({ cacheReadTokens: 2800, outputTokens: 120 + turn }))),
      ),
    )
  }
  const iterations = [
    { type: 'message', inputTokens: 1051, outputTokens: 35 },
    { type: 'advisor_message', model: 'claude-opus-4-8', inputTokens: 2728, outputTokens: 874 },
    { type: 'message', inputTokens: 1363, outputTokens: 365 },
  ]
  await counted(tally, () => anthropic.messages.create(prompt, steered({ iterations })))
  await counted(tally, () => anthropic.messages.create(prompt, steered({ webSearches: 2, reasoningTokens: 90, outputTokens: 150 })))
}

/** A conversation that grows, so that more of it comes from the cache each time; the fourth turn is retried inside the SDK. */
async function chat({ openai }: Clients, tally: Tally): Promise<void> {
  for (let turn = 0; turn < 6; turn++) {
    const directions = {
      ...(turn > 1 ? { cacheReadTokens: 1024 + 128 * turn } : {}),
      ...(turn === 3 ? { failures: 1, status: 503 } : {}),
      outputTokens: 40 + turn,
    }
    const request = {
      model: 'gpt-4o-mini',
      messages: [{ role: 'user' as const, content: `Question ${turn + 1}: where does the total come from?` }],
    }
    await counted(tally, () =>
      turn % 2 === 0
        ? readAll(
            openai.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }, steered(directions)),
          )
        : openai.chat.completions.create(request, steered(directions)),
    )
  }
}

/** Many searches at once, then answers of a model that thinks. */
async function searchAndReason({ openai }: Clients, tally: Tally): Promise<void> {
  await withSession('chen-search-1', () =>
    withProperties({ feature: 'search', environment: 'production' }, () =>
      Promise.all(
        ['prices', 'limits', 'plans', 'invoices'].map((topic) =>
          counted(tally, () => openai.embeddings.create({ model: 'text-embedding-3-small', input: `What do we say about ${topic}?` })),
        ),
      ),
    ),
  )
  await withSession('chen-analysis-1', () =>
    withProperties({ feature: 'document_analysis', environment: 'production' }, async () => {
      const request = { model: 'gpt-5-mini', input: 'Compare the two contracts.' }
      await counted(tally, () => openai.responses.create(request, steered({ reasoningTokens: 640, outputTokens: 210 })))
      for (const reasoningTokens of [128, 320]) {
        await counted(tally, () =>
          readAll(
            openai.responses.create({ ...request, stream: true }, steered({ reasoningTokens, cacheReadTokens: 1024, outputTokens: 150 })),
          ),
        )
      }
    }),
  )
}

/** An app written for Helicone: user, session and properties in headers. */
async function chatThroughHeaders({ openai }: Clients, tally: Tally): Promise<void> {
  const helicone = {
    'Helicone-User-Id': 'dora@example.com',
    'Helicone-Session-Id': 'dora-chat-1',
    'Helicone-Property-Plan': 'free',
    'Helicone-Property-Feature': 'chat',
    'Helicone-Property-Environment': 'production',
  }
  for (const content of ['Hello', 'What is new this month?', 'Say it in one line', 'Thanks', 'And next month?']) {
    await counted(tally, () =>
      openai.chat.completions.create({ model: 'gpt-4.1', messages: [{ role: 'user', content }] }, { headers: helicone }),
    )
  }
}

/** An app that knows nothing but OpenAI's `user` parameter; one of its calls runs into the rate limit. */
async function askWithUserParameter({ openai }: Clients, tally: Tally): Promise<void> {
  await withProperties({ plan: 'free', feature: 'summary', environment: 'production' }, async () => {
    const request = { model: 'gpt-4o-mini', user: 'eli@example.com', messages: [{ role: 'user' as const, content: 'Sum up the page.' }] }
    for (let page = 0; page < 5; page++)
      await counted(tally, () => openai.chat.completions.create(request, steered({ outputTokens: 60 + page })))
    await expectRateLimit(tally, () => openai.chat.completions.create(request, { ...steered({ status: 429 }), maxRetries: 0 }))
  })
}

async function counted(tally: Tally, call: () => Promise<unknown>): Promise<void> {
  tally.calls++
  await call()
}

async function expectRateLimit(tally: Tally, call: () => Promise<unknown>): Promise<void> {
  tally.calls++
  try {
    await call()
  } catch (error) {
    if ((error as { status?: unknown }).status !== 429) throw error
    tally.failed++
    return
  }
  throw new Error('The stand-in answered a call that it was asked to refuse.')
}

/** Streams are read to their end, as an app would. */
async function readAll(stream: Promise<AsyncIterable<unknown>>): Promise<void> {
  const chunks = (await stream)[Symbol.asyncIterator]()
  while ((await chunks.next()).done !== true);
}

function steered(directions: object): { headers: Record<string, string> } {
  return { headers: { 'x-stand-in': JSON.stringify(directions) } }
}

interface Clients {
  readonly openai: OpenAI
  readonly anthropic: Anthropic
}

/** The SDKs are loaded here and not at the top, so that the instrumentation is in place when they are. */
async function openClients(url: string): Promise<Clients> {
  const sdks = await Promise.all([import('openai'), import('@anthropic-ai/sdk')]).catch((cause: unknown) => {
    if ((cause as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new Error('The live calls need the SDKs of OpenAI and Anthropic: npm install openai @anthropic-ai/sdk', { cause })
  })
  const [{ default: OpenAIClient }, { default: AnthropicClient }] = sdks
  return {
    openai: new OpenAIClient({ apiKey: 'stand-in', baseURL: `${url}/v1` }),
    anthropic: new AnthropicClient({ apiKey: 'stand-in', baseURL: url }),
  }
}
