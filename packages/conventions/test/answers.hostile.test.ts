import * as conventions from '@spanledger/conventions'
import { usageBuckets, type AnswerStream, type ProviderAnswer } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const readers = Object.entries(conventions).filter(([name]) =>
  /^read(Anthropic|Bedrock|Cohere|Google|Ollama|Openai|Rerank)/.test(name),
) as [string, (body: unknown) => ProviderAnswer][]
const streams = Object.entries(conventions).filter(([name]) => name.endsWith('Stream')) as [string, () => AnswerStream][]

/** Bodies that look like usages but hold anything at all. */
const field = fc.constantFrom(
  ...(
    'usage usageMetadata message response delta type iterations meta billed_units input_tokens output_tokens prompt_tokens ' +
    'completion_tokens total_tokens prompt_tokens_details cached_tokens choices x_groq cost model id inputTokens cacheDetails ' +
    'promptTokenCount promptTokensDetails cache_creation __proto__ cost_in_usd_ticks output'
  ).split(' '),
)
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    1.5,
    Number.NaN,
    Infinity,
    1e300,
    '12',
    '\u0000',
    '\ud800',
    [],
    {},
    true,
    'message_start',
    'message_delta',
  ),
  fc.anything({ maxDepth: 2 }),
  fc.nat(),
)
const body = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    odd,
    fc.dictionary(field, tie('value'), { maxKeys: 6 }),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
})).value

/** What no answer may hold: a count that is no whole number of at least 0, a word that is no text. */
function faultsOf(answer: ProviderAnswer): unknown[] {
  const usages = [answer.usage, ...(answer.parts ?? []).map((part) => part.usage)].filter((usage) => usage !== undefined)
  const counts = usages.flatMap((usage) => usageBuckets.map((bucket) => usage[bucket]))
  const words = [answer.model, answer.responseId, answer.serviceTier, answer.finishReason, answer.reportedCostUsd]
  return [
    ...counts.filter((count) => !Number.isSafeInteger(count) || count < 0),
    ...words.filter((word) => word !== undefined && typeof word !== 'string'),
  ]
}

describe('readers of answers', () => {
  it('are found here', () => {
    expect(readers.length).toBe(13)
    expect(streams.length).toBe(9)
  })

  it.each(readers)('%s takes any value and gives whole counts', (_, read) => {
    fc.assert(
      fc.property(body, (value) => {
        expect(faultsOf(read(value))).toEqual([])
      }),
    )
  })

  it.each(streams)('%s takes any events and gives whole counts', (_, open) => {
    fc.assert(
      fc.property(fc.array(body, { maxLength: 5 }), (events) => {
        const stream = open()
        for (const event of events) stream.event(event)
        expect(faultsOf(stream.result())).toEqual([])
      }),
    )
  })

  it.each(streams)('%s knows nothing before the first event', (_, open) => {
    expect(open().result()).toEqual({
      model: undefined,
      responseId: undefined,
      usage: undefined,
      parts: undefined,
      serviceTier: undefined,
      finishReason: undefined,
      reportedCostUsd: undefined,
    })
  })

  it('keeps what was reported of a stream that was given up', () => {
    const stream = conventions.anthropicMessagesStream()
    stream.event({
      type: 'message_start',
      message: { id: 'msg_1', model: 'claude-opus-4-8', usage: { input_tokens: 25, output_tokens: 1 } },
    })
    stream.event({ type: 'content_block_delta', delta: { text: 'Hello' } })
    expect(stream.result().usage).toEqual(conventions.usageOf({ inputTokens: 25, outputTokens: 1 }))
  })

  it('reads an hour of cache and a bare cache write as five minutes', () => {
    const usage = { input_tokens: 3, output_tokens: 5, cache_creation_input_tokens: 100 }
    expect(conventions.readAnthropicMessages({ usage }).usage).toEqual(
      conventions.usageOf({ inputTokens: 3, outputTokens: 5, cacheWrite5mTokens: 100 }),
    )
    const split = { ...usage, cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 60 } }
    expect(conventions.readAnthropicMessages({ usage: split }).usage).toEqual(
      conventions.usageOf({ inputTokens: 3, outputTokens: 5, cacheWrite5mTokens: 40, cacheWrite1hTokens: 60 }),
    )
  })

  it('says fast mode and US-only inference as the tier', () => {
    const usage = { input_tokens: 1, output_tokens: 1 }
    const tierOf = (more: object) => conventions.readAnthropicMessages({ usage: { ...usage, ...more } }).serviceTier
    expect([
      tierOf({}),
      tierOf({ service_tier: 'batch' }),
      tierOf({ service_tier: 'standard', speed: 'fast' }),
      tierOf({ service_tier: 'standard', inference_geo: 'us' }),
      tierOf({ inference_geo: 'us' }),
    ]).toEqual([undefined, 'batch', 'fast', 'standard/us', 'standard/us'])
  })

  it('counts the searches of a response once each, and opened pages not', () => {
    const output = [
      { type: 'web_search_call', action: { type: 'search' } },
      { type: 'web_search_call', action: { type: 'open_page' } },
      { type: 'web_search_call' },
      { type: 'message' },
    ]
    expect(conventions.readOpenaiResponses({ usage: { input_tokens: 1, output_tokens: 1 }, output }).usage?.webSearches).toBe(2)
    expect(conventions.readOpenaiResponses({ output }).usage).toBeUndefined()
  })

  it('reads the images that came out of an image model', () => {
    const usage = { input_tokens: 50, output_tokens: 4160, total_tokens: 4210, input_tokens_details: { text_tokens: 10, image_tokens: 40 } }
    expect(conventions.readOpenaiImage({ usage }).usage).toEqual(
      conventions.usageOf({ inputTokens: 10, imageInputTokens: 40, imageOutputTokens: 4160 }),
    )
  })

  it('reads a transcription billed by token, and leaves one billed by the second unknown', () => {
    const usage = {
      type: 'tokens',
      input_tokens: 14,
      input_token_details: { text_tokens: 4, audio_tokens: 10 },
      output_tokens: 45,
      total_tokens: 59,
    }
    expect(conventions.readOpenaiTranscription({ usage }).usage).toEqual(
      conventions.usageOf({ inputTokens: 4, audioInputTokens: 10, outputTokens: 45 }),
    )
    expect(conventions.readOpenaiTranscription({ usage: { type: 'duration', seconds: 37 } }).usage).toBeUndefined()
  })

  it('reads Ollama, Voyage and a reranker', () => {
    expect(conventions.readOllama({ model: 'llama3', done_reason: 'stop', prompt_eval_count: 26, eval_count: 298 })).toMatchObject({
      model: 'llama3',
      finishReason: 'stop',
      usage: conventions.usageOf({ inputTokens: 26, outputTokens: 298 }),
    })
    expect(conventions.readOpenaiEmbeddings({ model: 'voyage-4', usage: { total_tokens: 3 } }).usage).toEqual(
      conventions.usageOf({ inputTokens: 3 }),
    )
    expect(conventions.readRerank({ usage: { total_tokens: 26 } }).usage).toEqual(conventions.usageOf({ inputTokens: 26 }))
    expect(conventions.readRerank({ meta: { billed_units: { search_units: 1 } } }).usage).toBeUndefined()
  })
})
