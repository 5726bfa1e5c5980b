import {
  anthropicMessagesStream,
  bedrockConverseStream,
  bedrockInvokeStream,
  cohereStream,
  googleGenerateContentStream,
  googleInteractionStream,
  openaiChatStream,
  openaiResponsesStream,
  readAnthropicMessages,
  readBedrockConverse,
  readBedrockInvoke,
  readCohere,
  readGoogleGenerateContent,
  readGoogleInteraction,
  readOpenaiChat,
  readOpenaiEmbeddings,
  readOpenaiImage,
  readOpenaiResponses,
  readOpenaiTranscription,
  readRerank,
  totalTokens,
  usageOf,
  type AnswerStream,
  type ProviderAnswer,
  type Usage,
} from '@spanledger/conventions'
import { describe, expect, it } from 'vitest'

import { readRecordings, recordingsPresent, type Recording } from './recordings.ts'

type Format = { readonly body: (body: unknown) => ProviderAnswer; readonly stream?: () => AnswerStream }

/** By URL, the first that matches; Google's interactions were filed under the URL of generateContent, so the body decides there. */
const formats: readonly (readonly [RegExp, Format])[] = [
  [/interaction/, { body: readGoogleInteraction, stream: googleInteractionStream }],
  [/chat\/completions|\/v1\/completions/, { body: readOpenaiChat, stream: openaiChatStream }],
  [/generativelanguage.*openai/, { body: (body) => readOpenaiChat(body, { provider: 'gcp.gemini' }) }],
  [/\/responses|wss:/, { body: readOpenaiResponses, stream: openaiResponsesStream }],
  [/\/(embeddings)$/, { body: readOpenaiEmbeddings }],
  [/\/images\//, { body: readOpenaiImage }],
  [/\/transcriptions/, { body: readOpenaiTranscription }],
  [/\/v1\/(messages|complete)/, { body: readAnthropicMessages, stream: anthropicMessagesStream }],
  [
    /:(\w*[gG]enerateContent|\w*[eE]mbedContents?|predict)|cachedContents/,
    { body: readGoogleGenerateContent, stream: googleGenerateContentStream },
  ],
  [/\/converse(-stream)?$/, { body: readBedrockConverse, stream: bedrockConverseStream }],
  [/\/invoke/, { body: readBedrockInvoke, stream: bedrockInvokeStream }],
  [/\/rerank$/, { body: readRerank }],
  [/cohere/, { body: readCohere, stream: cohereStream }],
]

function formatOf({ url, events, name }: Recording): Format {
  const isInteraction = JSON.stringify(events.at(-1)).includes('"object":"interaction"')
  const place = isInteraction ? 'interaction' : name.startsWith('google/realtime') ? ':generateContent' : url
  const known =
    url.includes('generativelanguage') && url.includes('/openai/') ? formats[2] : formats.find(([pattern]) => pattern.test(place))
  if (known === undefined) throw new Error(`no format for ${name}: ${url}`)
  return known[1]
}

function readRecording(recording: Recording): ProviderAnswer {
  const format = formatOf(recording)
  if (!recording.streamed) return format.body(recording.events[0])
  const stream = format.stream?.()
  if (stream === undefined) throw new Error(`no stream format for ${recording.name}`)
  for (const event of recording.events) stream.event(event)
  return stream.result()
}

/** Every object under a key that looks like a usage, in the order of the recording: read without any of our code. */
function usagesIn(value: unknown, found: Record<string, unknown>[] = []): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return found
  for (const [key, member] of Object.entries(value)) {
    if (/^(usage|usageMetadata)$/.test(key) && typeof member === 'object' && member !== null) found.push(member as Record<string, unknown>)
    else if (key !== 'trace' && key !== 'tool_usage') usagesIn(member, found)
  }
  return found
}

/** The provider's own total: the last one said, since all of them count up. */
function saidTotal(recording: Recording): number | undefined {
  const totals = usagesIn(recording.events)
    .map((usage) => usage.total_tokens ?? usage.totalTokens ?? usage.totalTokenCount)
    .filter((total) => typeof total === 'number')
  return totals.at(-1)
}

/** Where no total is said: the sum of all counts of the last usage, or of its iterations. */
function sumOfCounts(recording: Recording): number | undefined {
  const all: Record<string, unknown> = Object.assign({}, ...usagesIn(recording.events))
  const iterations = (all.iterations as Record<string, unknown>[] | undefined) ?? [all]
  const counts = ['input_tokens', 'output_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens']
  const sum = iterations.flatMap((usage) => counts.map((count) => (usage[count] as number | undefined) ?? 0)).reduce((a, b) => a + b, 0)
  return sum === 0 ? undefined : sum
}

/** Answers whose total cannot be worked out that simply, with the total read by hand and the reason. */
const byHand: Readonly<Record<string, readonly [total: number | undefined, reason: string]>> = {
  'cohere/cohere-max-tokens': [15, 'billed_units 11 + 4; the processed tokens (506 + 5) are not billed'],
  'cohere/stop_settings-cohere': [34, 'billed_units 25 + 9'],
  'cohere/tool_choice_matrix-required-cohere': [55, 'billed_units 33 + 22'],
  'cohere/should-set-request-and-response-attributes-in-span-for-given-prompt': [62, 'meta.billed_units 5 + 57'],
  'cohere/should-set-request-and-response-attributes-in-span-for-given-prompt-b': [
    83,
    'meta.billed_units 23 + 60; token_count says 1,436 processed',
  ],
  'cohere/should-set-request-and-response-attributes-in-span-for-given-prompt-with-streami': [
    60,
    'meta.billed_units 5 + 55 in the last line',
  ],
  'bedrock/should-set-request-and-response-attributes-in-span-for-given-prompt': [
    35,
    'Llama: prompt_token_count 9, generation_token_count 26',
  ],
  'bedrock/should-set-request-and-response-attributes-in-span-for-given-prompt-with-streami': [25, 'Titan: invocation metrics 8 and 17'],
  'google-vertex/testgoogle.test_vertex_query': [4, 'predict: statistics.token_count 4'],
  'google/create_cache': [undefined, 'a cache was made, no model was called'],
}

/** Whole answers where a rule of its own decides; each kills a fault that was seen elsewhere. */
const exactly: Readonly<Record<string, Partial<Usage>>> = {
  'anthropic/anthropic-code-execution-20260120-prompt-cache.1-stream': {
    inputTokens: 6,
    cacheReadTokens: 6289,
    cacheWrite5mTokens: 3337,
    outputTokens: 198,
  },
  'anthropic/anthropic_text_parts_ahead_of_built_in_tool_call.2': { inputTokens: 11_665, outputTokens: 186, webSearches: 1 },
  'anthropic/completion_streaming_with_extended_thinking_anthropic': { inputTokens: 50, outputTokens: 40, reasoningTokens: 53 },
  'bedrock/anthropic_cache_bedrock_real_api.1': { inputTokens: 3, cacheReadTokens: 9511, cacheWrite5mTokens: 1956, outputTokens: 44 },
  'deepseek/deepseek-tool-call-stream': { inputTokens: 19, cacheReadTokens: 320, outputTokens: 44, reasoningTokens: 39 },
  'google/compatible_api_with_tool_calls_without_id.1': { inputTokens: 66, outputTokens: 6, reasoningTokens: 28 },
  'google/google_model_mobile_youtube_video_url_input': {
    inputTokens: 298,
    cacheReadTokens: 15_498,
    audioInputTokens: 36,
    audioCacheReadTokens: 1881,
    outputTokens: 68,
    reasoningTokens: 821,
  },
  'google/google_model_web_fetch_tool_stream': { inputTokens: 4642, outputTokens: 25, reasoningTokens: 37 },
  'mistral/multimodal_tool_return_matrix-tool_return_content-url_force_download-image-mistr': {
    inputTokens: 32,
    cacheReadTokens: 32,
    outputTokens: 6,
  },
  'moonshotai/moonshotai-reasoning': { inputTokens: 10, cacheReadTokens: 10, outputTokens: 8, reasoningTokens: 22 },
  'openai/openai_chat_prompt_cache_e2e': { inputTokens: 8, cacheWrite5mTokens: 4012, outputTokens: 4 },
  'openai/testtokencounts.test_openai': {
    inputTokens: 6,
    cacheReadTokens: 1,
    audioInputTokens: 2,
    outputTokens: 3,
    reasoningTokens: 3,
    audioOutputTokens: 4,
  },
  'openai/realtime-audio_in_server_vad_turn': { inputTokens: 14, audioInputTokens: 27, outputTokens: 28, audioOutputTokens: 136 },
  'openrouter/openrouter_stream_error': { inputTokens: 43, reasoningTokens: 10 },
  'openrouter/openrouter_web_search_annotations_stream': { inputTokens: 2317, outputTokens: 53, webSearches: 1 },
  'xai/xai-tool-call-stream': { inputTokens: 1, cacheReadTokens: 290, outputTokens: 26, reasoningTokens: 196 },
  'xai/xai-text': { inputTokens: 10, cacheReadTokens: 2, outputTokens: 1, reasoningTokens: 228 },
}

describe.skipIf(!recordingsPresent)('recorded answers', () => {
  const recordings = recordingsPresent ? readRecordings() : []

  it('are all 162 here', () => {
    expect(recordings.length).toBe(162)
  })

  it.each(recordings.filter(({ status }) => status !== 200).map((recording) => [recording.name, recording] as const))(
    'of the error %s hold no usage',
    (_, recording) => {
      expect(readRecording(recording).usage).toBeUndefined()
    },
  )

  it.each(recordings.filter(({ status }) => status === 200).map((recording) => [recording.name, recording] as const))(
    'of %s give as many tokens as the provider counted',
    (name, recording) => {
      const { usage } = readRecording(recording)
      const hand = byHand[name]
      expect(usage === undefined ? undefined : totalTokens(usage)).toBe(
        hand === undefined ? (saidTotal(recording) ?? sumOfCounts(recording)) : hand[0],
      )
    },
  )

  it.each(Object.entries(exactly))('of %s give exactly these buckets', (name, buckets) => {
    const recording = recordings.find((candidate) => candidate.name === name)
    expect(recording && readRecording(recording).usage).toEqual(usageOf(buckets))
  })

  it.each(recordings.filter(({ streamed }) => streamed).map((recording) => [recording.name, recording] as const))(
    'of the stream %s can be asked after every event, and never take tokens back',
    (_, recording) => {
      const stream = formatOf(recording).stream?.()
      const totals: number[] = []
      for (const event of recording.events) {
        stream?.event(event)
        const usage = stream?.result().usage
        if (usage !== undefined) totals.push(totalTokens(usage))
      }
      // Realtime and live sessions, and a compaction, start over with another request.
      const startsOver = /realtime|live|compaction/.test(recording.name)
      expect(startsOver || totals.every((total, n) => n === 0 || total >= (totals[n - 1] ?? 0))).toBe(true)
      expect(stream?.result()).toEqual(readRecording(recording))
    },
  )

  it('bills each iteration of an advised answer at its own model', () => {
    const recording = recordings.find(({ name }) => name === 'anthropic/anthropic-advisor-20260301.1')
    expect(recording && readRecording(recording)).toEqual({
      model: 'claude-sonnet-4-6',
      responseId: 'msg_01SNJCefkpg3kcMGepX63Dvh',
      serviceTier: 'standard',
      finishReason: 'end_turn',
      reportedCostUsd: undefined,
      usage: usageOf({ inputTokens: 5142, outputTokens: 4074 }),
      parts: [
        { model: 'claude-sonnet-4-6', usage: usageOf({ inputTokens: 1051, outputTokens: 35 }) },
        { model: 'claude-opus-4-7', usage: usageOf({ inputTokens: 2728, outputTokens: 874 }) },
        { model: 'claude-sonnet-4-6', usage: usageOf({ inputTokens: 1363, outputTokens: 3165 }) },
      ],
    })
  })

  it('bills what a compaction read, which the top level leaves out', () => {
    const recording = recordings.find(({ name }) => name === 'anthropic/anthropic-compaction.1')
    expect(recording && readRecording(recording).usage).toEqual(usageOf({ inputTokens: 61_067, outputTokens: 1912 }))
  })

  it('bills a model that was fallen back from', () => {
    const recording = recordings.find(({ name }) => name === 'anthropic/anthropic-fallback')
    expect(recording && readRecording(recording).parts).toEqual([
      { model: 'claude-fable-5', usage: usageOf({ inputTokens: 408 }) },
      { model: 'claude-opus-4-8', usage: usageOf({ inputTokens: 412, outputTokens: 264 }) },
    ])
  })
})

it.runIf(!recordingsPresent)('skipped: ../shared not present', () => {
  expect(recordingsPresent).toBe(false)
})
