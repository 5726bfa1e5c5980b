import Anthropic from '@anthropic-ai/sdk'
import { context } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import {
  anthropicMessagesStream,
  openaiChatStream,
  openaiResponsesStream,
  readAnthropicMessages,
  readOpenaiChat,
  readOpenaiEmbeddings,
  readOpenaiResponses,
  type LlmCall,
  type ProviderAnswer,
} from '@spanledger/conventions'
import OldAnthropic from 'anthropic-v0-133'
import OpenAI from 'openai'
import OpenAI4 from 'openai-v4'
import OpenAI5 from 'openai-v5'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import { instrument } from '../src/index.ts'
import { hasRecordings, deliveredEvents, readRecordings, type Recording } from './recordings.ts'
import { startReplayServer, type ReplayServer } from './replay-server.ts'
import { settled, startTracing, type Tracing } from './tracing.ts'

const openaiVersions = { 'openai 4': OpenAI4, 'openai 5': OpenAI5, 'openai 6': OpenAI } as unknown as Record<string, typeof OpenAI>
const anthropicVersions = { 'anthropic 0.133': OldAnthropic, 'anthropic 1.11': Anthropic } as unknown as Record<string, typeof Anthropic>

let tracing: Tracing
let server: ReplayServer

beforeAll(async () => {
  // The SDKs say on the console that models are deprecated and answers broken.
  for (const method of ['warn', 'error'] as const) vi.spyOn(console, method).mockImplementation(() => {})
  tracing = startTracing()
  server = await startReplayServer()
  for (const sdk of [...Object.values(openaiVersions), ...Object.values(anthropicVersions)]) instrument(sdk)
})
afterEach(() => tracing.reset())
afterAll(async () => {
  await server.close()
  await tracing.stop()
})

const recordings = readRecordings()
const answered = recordings.filter(({ status }) => status === 200)

it.skipIf(hasRecordings)('skipped: ../shared not present', () => expect(recordings).toEqual([]))

it.runIf(hasRecordings)('reads all of the recorded answers in the formats of these SDKs', () => expect(recordings).toHaveLength(103))

describe.runIf(hasRecordings)('a recorded answer', () => {
  it.each(answered.flatMap((recording) => versionsFor(recording).map((version) => [recording.name, version, recording] as const)))(
    'of %s gives one span with its usage through %s',
    async (_name, version, recording) => {
      const seen = await replay(recording, version)
      expect(await context.with(suppressTracing(context.active()), () => replay(recording, version))).toEqual(seen)
      const calls = tracing.calls()
      expect(calls).toHaveLength(1)
      const expected = readDirectly(recording, recording.events ?? [])
      const [call] = calls
      const isReported = call!.status === 'ok' && expected.usage !== undefined
      expect(call!.usageQuality === 'reported').toBe(isReported)
      expect(isReported ? pick(call!) : {}).toEqual(isReported ? pick(expected) : {})
    },
  )

  it.each(recordings.filter(({ status }) => status !== 200).map((recording) => [recording.name, recording] as const))(
    'of %s with an error status gives one span with that status',
    async (_name, recording) => {
      for (const version of versionsFor(recording)) {
        tracing.reset()
        await replay(recording, version)
        expect(tracing.spans().map(({ status, attributes }) => [status.code, attributes['http.response.status_code']])).toEqual([
          [2, recording.status],
        ])
      }
    },
  )

  it.each(answered.filter(({ events }) => events !== undefined).map((recording) => [recording.name, recording] as const))(
    'of %s that is cut after any event gives one span, and the app what it gets without us',
    async (_name, recording) => {
      const events = recording.events!
      const version = versionsFor(recording).at(-1)!
      for (let cut = 0; cut < events.length; cut++) {
        for (const end of ['well', 'broken'] as const) {
          // Broken connections take 5 ms each; every event of short streams, every eighth of long ones.
          if (end === 'broken' && events.length > 30 && cut % 8 !== 0) continue
          tracing.reset()
          const cutRecording = { ...recording, events: events.slice(0, cut) }
          const seen = await replay(cutRecording, version, end)
          const calls = tracing.calls()
          expect([cut, end, calls.length]).toEqual([cut, end, 1])
          const said = readDirectly(recording, cutRecording.events).usage
          const [call] = calls
          expect(['reported', 'partial'].includes(call!.usageQuality)).toBe(said !== undefined)
          expect(said === undefined || call!.usage!.inputTokens === said.inputTokens).toBe(true)
          if (cut % 8 !== 0) continue
          const without = await context.with(suppressTracing(context.active()), () => replay(cutRecording, version, end))
          // How much arrives before a connection breaks is up to the network.
          expect(end === 'broken' ? seen.error : seen).toEqual(end === 'broken' ? without.error : without)
        }
      }
    },
  )
})

function versionsFor({ format }: Recording): string[] {
  return Object.keys(format === 'messages' ? anthropicVersions : openaiVersions)
}

/** What the app gets to see of an answer. */
interface Seen {
  readonly chunks: unknown[]
  readonly error: string | undefined
}

/** Asks for the recorded answer through an SDK and reads it to its end. */
async function replay(recording: Recording, version: string, end: 'well' | 'broken' = 'well'): Promise<Seen> {
  const { events, body, status, format } = recording
  server.answer =
    events === undefined ? { status, pieces: [JSON.stringify(body)] } : { status, contentType: 'text/event-stream', pieces: events, end }
  const request = { ...recording.request, stream: events !== undefined }
  const chunks: unknown[] = []
  let error: string | undefined
  try {
    const answer = await (format === 'messages' ? askAnthropic(version, request) : askOpenai(version, format, request))
    if (events !== undefined) for await (const chunk of answer as AsyncIterable<unknown>) chunks.push(chunk)
    else chunks.push(answer)
  } catch (caught) {
    error = String(caught)
  }
  await settled()
  return { chunks, error }
}

function askAnthropic(version: string, request: object): Promise<unknown> {
  const client = new anthropicVersions[version]!({ apiKey: 'none', baseURL: server.url, maxRetries: 0, logLevel: 'off' })
  return client.messages.create({ max_tokens: 10, ...request } as never)
}

function askOpenai(version: string, format: Recording['format'], request: object): Promise<unknown> {
  const client = new openaiVersions[version]!({ apiKey: 'none', baseURL: server.url, maxRetries: 0, logLevel: 'off' })
  const resource = format === 'chat/completions' ? client.chat.completions : client[format as 'responses']
  return (resource.create as (body: object) => Promise<unknown>).call(resource, request)
}

/** What the answer says, read without any SDK. */
function readDirectly({ format, body, events }: Recording, some: readonly string[]): ProviderAnswer {
  const options = { provider: 'openai' }
  if (events === undefined) {
    if (format === 'messages') return readAnthropicMessages(body)
    if (format === 'responses') return readOpenaiResponses(body)
    return format === 'embeddings' ? readOpenaiEmbeddings(body) : readOpenaiChat(body, options)
  }
  const stream =
    format === 'messages' ? anthropicMessagesStream() : format === 'responses' ? openaiResponsesStream() : openaiChatStream(options)
  for (const event of deliveredEvents(some)) stream.event(event)
  return stream.result()
}

function pick({ model, responseId, usage, parts }: LlmCall | ProviderAnswer): object {
  return { model, responseId, usage, parts }
}
