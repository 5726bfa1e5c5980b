import type { DialectCall, RawCounts } from './dialect.ts'

/** No count is known. */
export const noCounts: RawCounts = {
  input: undefined,
  output: undefined,
  total: undefined,
  cacheRead: undefined,
  cacheWrite: undefined,
  cacheWrite5m: undefined,
  cacheWrite1h: undefined,
  reasoning: undefined,
  audioInput: undefined,
  audioCacheRead: undefined,
  audioOutput: undefined,
  imageInput: undefined,
  imageOutput: undefined,
  webSearches: undefined,
}

/** A call that says nothing yet; readers fill in what they know. */
export const nothingSaid: DialectCall = {
  role: 'call',
  operation: 'chat',
  provider: undefined,
  requestedModel: undefined,
  responseModel: undefined,
  responseId: undefined,
  serviceTier: undefined,
  streamed: false,
  timeToFirstTokenMs: undefined,
  finishReason: undefined,
  status: 'ok',
  errorType: undefined,
  httpStatus: undefined,
  counts: noCounts,
  counting: {},
  parts: undefined,
  quality: undefined,
  reportedCostUsd: undefined,
  user: undefined,
  session: undefined,
  properties: [],
}
