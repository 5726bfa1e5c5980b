import { usageBuckets, type Usage } from '@spanledger/conventions'

/** The column that keeps each usage bucket, in calls and in rollups alike. */
export const usageColumns = {
  inputTokens: 'input_tokens',
  cacheReadTokens: 'cache_read_tokens',
  cacheWrite5mTokens: 'cache_write_5m_tokens',
  cacheWrite1hTokens: 'cache_write_1h_tokens',
  outputTokens: 'output_tokens',
  reasoningTokens: 'reasoning_tokens',
  audioInputTokens: 'audio_input_tokens',
  audioCacheReadTokens: 'audio_cache_read_tokens',
  audioOutputTokens: 'audio_output_tokens',
  imageInputTokens: 'image_input_tokens',
  imageOutputTokens: 'image_output_tokens',
  webSearches: 'web_searches',
} as const satisfies Record<keyof Usage, string>

/** Reads each bucket by its name in the text: `usage[bucket]` for names that vary is several times slower, for each call. */
export const usageReaders = {
  inputTokens: (usage: Usage) => usage.inputTokens,
  cacheReadTokens: (usage: Usage) => usage.cacheReadTokens,
  cacheWrite5mTokens: (usage: Usage) => usage.cacheWrite5mTokens,
  cacheWrite1hTokens: (usage: Usage) => usage.cacheWrite1hTokens,
  outputTokens: (usage: Usage) => usage.outputTokens,
  reasoningTokens: (usage: Usage) => usage.reasoningTokens,
  audioInputTokens: (usage: Usage) => usage.audioInputTokens,
  audioCacheReadTokens: (usage: Usage) => usage.audioCacheReadTokens,
  audioOutputTokens: (usage: Usage) => usage.audioOutputTokens,
  imageInputTokens: (usage: Usage) => usage.imageInputTokens,
  imageOutputTokens: (usage: Usage) => usage.imageOutputTokens,
  webSearches: (usage: Usage) => usage.webSearches,
} as const satisfies Record<keyof Usage, (usage: Usage) => number>

/** What rollup rows sum from the first version of the file on. */
export const firstMeasures: readonly string[] = [
  'requests',
  'errors',
  'cancelled',
  'unpriced_requests',
  'estimated_requests',
  'missing_usage_requests',
  'samples',
  'cost_nano_usd',
  ...usageBuckets.map((bucket) => usageColumns[bucket]),
  'latency_ms_sum',
]

/**
 * What a rollup row sums, each a whole number: the sum over any set of calls is the sum of the sums of its parts.
 * `errors` leaves cancelled calls out, and has those that a rate limit refused; `samples` are calls made up for a demo.
 */
export const measureColumns: readonly string[] = [...firstMeasures, 'rate_limited_requests']
