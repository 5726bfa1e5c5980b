import { divideHalfEven, totalInputTokens, totalOutputTokens, type Usage } from '@spanledger/conventions'
import { openPriceBook } from '@spanledger/pricing'
import { describe, expect, it } from 'vitest'

import { parseDecimal, PRICE_PER_NANO_USD } from '../src/decimal.ts'
import { bodiesPresent, readBodies, type Body } from './genai-prices-bodies.ts'

/** The catalogue's data of that day priced these bodies: newer prices of it begin later. */
const PRICED_AT = Date.parse('2026-06-01T12:00:00Z')

const mistralCached = 'They do not read num_cached_tokens: a cache hit is billed in full.'
const iterations = 'They read the top level only; the iterations of other models and of compaction are billed too.'
const searchFee = 'Their price leaves the fee for web searches out: $0.01 each.'
const mistralLarge = 'Their mistral-large-latest is Large 2 (2 / 6); it has been Large 3 (0.5 / 1.5) since 2025-12-02: our overlay.'
const audioAsText = 'They bill audio as text where the list has no price for it ($40 against $2.50 a million); we leave it unpriced.'
const emptyPrice = 'Their list has the model without any price, and bills 0; we leave it unpriced.'
const ministral = 'Their data of that day billed $1 a million for output; 0.1.8 has 0.15 since 2025-12-02.'

/** Every body whose token counts differ. docs/prices.md repeats this list. */
const otherUsage: Readonly<Record<string, string>> = {
  'test_anthropic/test_anthropic_advisor_tool': iterations,
  'test_anthropic/test_anthropic_compaction_end_to_end': iterations,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-document-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-document-mistral] #2': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-image-mistral] #2': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-binary-audio-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url-audio-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url-document-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url-video-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-audio-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-image-mistral]': mistralCached,
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-video-mistral]': mistralCached,
  'test_tool_choice_matrix/test_tool_choice_matrix[auto-mistral]': mistralCached,
  'test_tool_choice_matrix/test_tool_choice_matrix[list_single-mistral]': mistralCached,
  'test_tool_choice_matrix/test_tool_choice_matrix[none-mistral]': mistralCached,
  'test_tool_choice_matrix/test_tool_choice_matrix[none_with_output-mistral]': mistralCached,
  'test_tool_choice_matrix/test_tool_choice_matrix[tools_plus_output-mistral]': mistralCached,
}

/** Every body whose cost differs: ours in nano-USD (or why it is unpriced), and the reason. docs/prices.md repeats this list. */
const otherCost: Readonly<Record<string, readonly [ours: number | string | undefined, reason: string]>> = {
  'test_anthropic/test_anthropic_advisor_tool': [19130000, iterations],
  'test_anthropic/test_anthropic_compaction_end_to_end': [168243000, iterations],
  'test_anthropic/test_anthropic_text_parts_ahead_of_built_in_tool_call': [60724000, searchFee],
  'test_anthropic/test_anthropic_web_search_tool': [77737000, searchFee],
  'test_anthropic/test_pause_turn_web_search_vcr': [2526628000, searchFee],
  'test_google/test_google_model_receive_web_search_history_from_another_provider': [52087000, searchFee],
  'test_mistral/test_mistral_forwards_penalties': [56000, mistralLarge],
  'test_mistral/test_mistral_history_uses_prompt_cache': [134000, mistralLarge],
  'test_mistral/test_mistral_history_uses_prompt_cache #2': [40700, mistralLarge],
  'test_mistral/test_text_document_as_binary_content_input': [128000, mistralLarge],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-document-mistral]': [26080, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-document-mistral] #2': [357440, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[direct-url_force_download-image-mistral] #2': [285920, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-binary-audio-mistral]': [26080, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url-audio-mistral]': [26080, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url-document-mistral]': [684080, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url-video-mistral]': [26080, mistralCached],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-audio-mistral]': [
    26080,
    mistralCached,
  ],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-image-mistral]': [
    282320,
    mistralCached,
  ],
  'test_multimodal_tool_returns/test_multimodal_tool_return_matrix[tool_return_content-url_force_download-video-mistral]': [
    26080,
    mistralCached,
  ],
  'test_openai/test_audio_as_binary_content_input': ['no_price_for_bucket', audioAsText],
  'test_openai/test_openai_audio_url_input': ['no_price_for_bucket', audioAsText],
  'test_openai/test_openai_model_cerebras_provider_qwen_3_coder': ['no_price_for_bucket', emptyPrice],
  'test_settings/test_stop_settings[mistral]': [5100, ministral],
  'test_thinking_native_tools/test_thinking_with_native_tool_wire_contract[anthropic]': [38527000, searchFee],
  'test_tool_choice_matrix/test_tool_choice_matrix[auto-mistral]': [22300, mistralLarge],
  'test_tool_choice_matrix/test_tool_choice_matrix[list_single-mistral]': [21950, mistralLarge],
  'test_tool_choice_matrix/test_tool_choice_matrix[none-mistral]': [336950, mistralLarge],
  'test_tool_choice_matrix/test_tool_choice_matrix[none_with_output-mistral]': [1059250, mistralLarge],
  'test_tool_choice_matrix/test_tool_choice_matrix[tools_plus_output-mistral]': [67700, mistralLarge],
}

/** A usage as they count it: input and output inclusive, parts beside. */
function inclusive(usage: Usage): Record<string, number> {
  return {
    input_tokens: totalInputTokens(usage),
    output_tokens: totalOutputTokens(usage),
    cache_read_tokens: usage.cacheReadTokens + usage.audioCacheReadTokens,
    cache_write_tokens: usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    cache_write_1h_tokens: usage.cacheWrite1hTokens,
    output_reasoning_tokens: usage.reasoningTokens,
    input_audio_tokens: usage.audioInputTokens + usage.audioCacheReadTokens,
    output_audio_tokens: usage.audioOutputTokens,
    output_image_tokens: usage.imageOutputTokens,
    web_searches: usage.webSearches,
  }
}

function theirs(body: Body): Record<string, number> {
  return Object.fromEntries(Object.keys(inclusive({} as Usage)).map((count) => [count, body.theirUsage[count] ?? 0]))
}

/** Their price as nano-USD, their two halves added exactly and rounded once, as ours is. */
function theirNanoUsd([input, output]: readonly [string, string]): number {
  const scaled = (parseDecimal(input) ?? 0n) + (parseDecimal(output) ?? 0n)
  return Number(divideHalfEven(scaled * 1_000_000n, PRICE_PER_NANO_USD))
}
describe.skipIf(!bodiesPresent)('1,024 real usage bodies', () => {
  const bodies = bodiesPresent ? readBodies() : []
  const book = openPriceBook()

  it('are all here', () => {
    expect(bodies.length).toBe(1024)
  })

  it('hold as many tokens of each kind as their own extractor finds, but for the listed ones', () => {
    const differing = bodies.filter(
      (body) => body.answer.usage === undefined || JSON.stringify(inclusive(body.answer.usage)) !== JSON.stringify(theirs(body)),
    )
    expect(differing.map((body) => body.name).sort()).toEqual(Object.keys(otherUsage).sort())
  })

  it('cost what they cost there, but for the listed ones', () => {
    const differing: Record<string, readonly [ours: number | string | undefined, reason: string | undefined]> = {}
    for (const { name, answer, provider, model, theirPriceUsd } of bodies) {
      if (theirPriceUsd === undefined || model === undefined) continue
      const cost = book.costOf({ usage: answer.usage, parts: answer.parts, provider, model, at: PRICED_AT })
      const ours = cost.costNanoUsd ?? ('reason' in cost ? cost.reason : undefined)
      if (ours !== theirNanoUsd(theirPriceUsd)) differing[name] = [ours, otherCost[name]?.[1]]
    }
    expect(differing).toStrictEqual(otherCost)
  })
})

it.runIf(!bodiesPresent)('skipped: ../shared not present', () => {
  expect(bodiesPresent).toBe(false)
})
