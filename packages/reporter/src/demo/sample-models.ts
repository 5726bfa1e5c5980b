import type { Quantiles, Weighted } from './distributions.ts'

/** A model of the sample history, and how it answers. */
export interface SampleModel {
  readonly provider: string
  readonly serverAddress: string
  /** What answers when the model is asked for. */
  readonly responseModel: string
  readonly responseIdPrefix: string
  readonly tokensPerSecond: number
  readonly timeToFirstChunkMs: number
  /** Median of the reasoning tokens, for models that think. */
  readonly reasoningTokens?: number
}

const openai = { provider: 'openai', serverAddress: 'api.openai.com', responseIdPrefix: 'chatcmpl-' }
const anthropic = { provider: 'anthropic', serverAddress: 'api.anthropic.com', responseIdPrefix: 'msg_' }

/** By the name that the app asks for. All have a price but the one that is hosted in-house. */
export const sampleModels = {
  'gpt-4o-mini': { ...openai, responseModel: 'gpt-4o-mini-2024-07-18', tokensPerSecond: 85, timeToFirstChunkMs: 420 },
  'gpt-5-mini': { ...openai, responseModel: 'gpt-5-mini-2025-08-07', tokensPerSecond: 95, timeToFirstChunkMs: 600, reasoningTokens: 180 },
  'gpt-4.1': { ...openai, responseModel: 'gpt-4.1-2025-04-14', tokensPerSecond: 70, timeToFirstChunkMs: 550 },
  'claude-sonnet-4-5': { ...anthropic, responseModel: 'claude-sonnet-4-5-20250929', tokensPerSecond: 60, timeToFirstChunkMs: 900 },
  'claude-haiku-4-5': { ...anthropic, responseModel: 'claude-haiku-4-5-20251001', tokensPerSecond: 120, timeToFirstChunkMs: 480 },
  'gemini-2.5-flash': {
    provider: 'gcp.gemini',
    serverAddress: 'generativelanguage.googleapis.com',
    responseIdPrefix: '',
    responseModel: 'gemini-2.5-flash',
    tokensPerSecond: 150,
    timeToFirstChunkMs: 350,
    reasoningTokens: 60,
  },
  'in-house-llama-70b': {
    provider: 'ollama',
    serverAddress: 'llm.sample.internal',
    responseIdPrefix: 'chatcmpl-',
    responseModel: 'in-house-llama-70b',
    tokensPerSecond: 30,
    timeToFirstChunkMs: 1100,
  },
  'text-embedding-3-small': {
    ...openai,
    responseIdPrefix: '',
    responseModel: 'text-embedding-3-small',
    tokensPerSecond: 4000,
    timeToFirstChunkMs: 90,
  },
} as const satisfies Record<string, SampleModel>

export type SampleModelName = keyof typeof sampleModels

/** What the sample app offers, and what it does for it. */
export interface SampleFeature {
  readonly models: Weighted<SampleModelName>
  readonly size: keyof typeof tokenQuantiles
  /** Tokens of fixed instructions at the head of each prompt, which caches keep. */
  readonly instructionTokens: number
  readonly streamedShare: number
}

export const sampleFeatures = {
  chat: {
    models: [
      ['gpt-4o-mini', 45],
      ['gpt-5-mini', 20],
      ['claude-haiku-4-5', 15],
      ['gemini-2.5-flash', 10],
      ['claude-sonnet-4-5', 10],
    ],
    size: 'mid',
    instructionTokens: 600,
    streamedShare: 0.9,
  },
  document_analysis: {
    models: [
      ['claude-sonnet-4-5', 50],
      ['gpt-4.1', 30],
      ['gemini-2.5-flash', 20],
    ],
    size: 'large',
    instructionTokens: 4200,
    streamedShare: 0.3,
  },
  summary: {
    models: [
      ['gpt-4o-mini', 40],
      ['gemini-2.5-flash', 40],
      ['in-house-llama-70b', 20],
    ],
    size: 'large',
    instructionTokens: 350,
    streamedShare: 0.2,
  },
  code_review: {
    models: [
      ['claude-sonnet-4-5', 60],
      ['gpt-5-mini', 40],
    ],
    size: 'large',
    instructionTokens: 2800,
    streamedShare: 0.5,
  },
  search: { models: [['gpt-4o-mini', 1]], size: 'small', instructionTokens: 250, streamedShare: 0.6 },
} as const satisfies Record<string, SampleFeature>

export type SampleFeatureName = keyof typeof sampleFeatures

/**
 * Tokens of real requests by the size of the model that served them: medians, over clients and six-hour windows, of the
 * token quantiles in ServeGen (github.com/alibaba/ServeGen, Apache-2.0, at f891d1189eb3).
 */
export const tokenQuantiles = {
  large: { input: quantiles([200, 408, 549, 725, 961, 1125, 1516, 3258]), output: quantiles([6, 29, 35, 61, 91, 126, 179, 708]) },
  mid: { input: quantiles([164, 280, 332, 500, 778, 1048, 1440, 3940]), output: quantiles([2, 20, 24, 44, 82, 99, 204, 863]) },
  small: { input: quantiles([88, 157, 177, 284, 346, 418, 593, 1830]), output: quantiles([2, 10, 13, 21, 43, 49, 64, 256]) },
}

function quantiles(values: readonly number[]): Quantiles {
  const shares = [0, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8, 31 / 32, 1]
  return values.map((value, index) => [shares[index] ?? 1, value] as const)
}
