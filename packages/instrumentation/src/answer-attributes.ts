import type { Attributes } from '@opentelemetry/api'
import {
  attributes as names,
  spanledgerAttributes as ours,
  totalInputTokens,
  totalOutputTokens,
  type ProviderAnswer,
  type Usage,
  type UsageQuality,
} from '@spanledger/conventions'

import type { LlmApi } from './llm-apis.ts'

/** What an answer says, as attributes of its span. `reported` usage needs no word about its quality. */
export function answerAttributes(api: LlmApi, answer: ProviderAnswer, quality: UsageQuality): Attributes {
  const attributes: Attributes = {}
  if (answer.model !== undefined) attributes[names.responseModel] = answer.model
  if (answer.responseId !== undefined) attributes[names.responseId] = answer.responseId
  if (answer.finishReason !== undefined) attributes[names.responseFinishReasons] = [answer.finishReason]
  if (answer.serviceTier !== undefined) attributes[api.responseServiceTier] = answer.serviceTier
  if (answer.reportedCostUsd !== undefined) attributes[ours.reportedCostUsd] = answer.reportedCostUsd
  if (quality !== 'reported') attributes[ours.usageQuality] = quality
  if (answer.usage !== undefined) setUsage(attributes, answer.usage, api)
  if (answer.parts !== undefined) attributes[ours.usageParts] = JSON.stringify(answer.parts)
  return attributes
}

/** Disjoint buckets as the conventions count them: totals that hold the cached, the reasoning and the other kinds. */
function setUsage(attributes: Attributes, usage: Usage, api: LlmApi): void {
  const cacheWriteTokens = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens
  attributes[names.inputTokens] = totalInputTokens(usage)
  if (api.operation !== 'embeddings') attributes[names.outputTokens] = totalOutputTokens(usage)
  setCount(attributes, names.cacheReadInputTokens, usage.cacheReadTokens + usage.audioCacheReadTokens)
  setCount(attributes, names.cacheWriteInputTokens, cacheWriteTokens)
  if (usage.cacheWrite1hTokens > 0) {
    attributes[names.anthropicCacheWrite5mInputTokens] = usage.cacheWrite5mTokens
    attributes[names.anthropicCacheWrite1hInputTokens] = usage.cacheWrite1hTokens
  }
  setCount(attributes, names.reasoningOutputTokens, usage.reasoningTokens)
  setCount(attributes, names.audioInputTokens, usage.audioInputTokens + usage.audioCacheReadTokens)
  setCount(attributes, names.audioCacheReadInputTokens, usage.audioCacheReadTokens)
  setCount(attributes, names.audioOutputTokens, usage.audioOutputTokens)
  setCount(attributes, names.imageInputTokens, usage.imageInputTokens)
  setCount(attributes, names.imageOutputTokens, usage.imageOutputTokens)
  setCount(attributes, ours.webSearches, usage.webSearches)
}

function setCount(attributes: Attributes, name: string, count: number): void {
  if (count > 0) attributes[name] = count
}
