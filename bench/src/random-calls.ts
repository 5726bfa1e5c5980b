import { usageOf, type Property } from '@spanledger/conventions'
import type { WrittenCall } from '@spanledger/store'

/** How a made-up ledger looks; the defaults are those of docs/benchmarks.md. */
export interface RandomCallsOptions {
  readonly calls: number
  readonly users?: number
  readonly days?: number
  readonly seed?: number
  /** When the first call starts; the other ones come in equal steps. */
  readonly startMs?: number
}

const models = [
  ['openai', 'gpt-4o-mini'],
  ['openai', 'gpt-5-mini'],
  ['openai', 'gpt-4.1'],
  ['openai', 'gpt-4o'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['anthropic', 'claude-haiku-4-5'],
  ['gcp.gemini', 'gemini-2.5-flash'],
  ['gcp.gemini', 'gemini-2.5-pro'],
] as const
const features = ['chat', 'summary', 'search', 'review', 'translate', 'extract', 'agent', 'vision', 'title', 'tags', 'draft', 'fix']
const environments = ['production', 'staging', 'development']
const plans = ['free', 'pro', 'team', 'enterprise']
const START_MS = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

/**
 * Calls in the order of their start, equal for equal options: users by Zipf's law (s = 1.05), a session of a user about
 * every 5 calls, five properties of 3, 4, 12, 40 and 2,000 values.
 */
export function* randomCalls({
  calls,
  users = 50_000,
  days = 90,
  seed = 1,
  startMs = START_MS,
}: RandomCallsOptions): Generator<WrittenCall> {
  const random = mulberry32(seed)
  const userOf = zipf(users, 1.05, random)
  const stepMs = (days * DAY_MS) / calls
  for (let n = 0; n < calls; n++) {
    const user = userOf()
    const [provider, model] = models[Math.floor(random() * random() * models.length)] ?? models[0]
    const durationMs = Math.round(Math.exp(6.5 + 1.1 * gauss(random)))
    const failed = random() < 0.02
    const input = Math.round(Math.exp(6.2 + 1.2 * gauss(random)))
    yield {
      traceId: hex(random, 4),
      spanId: hex(random, 2),
      parentSpanId: undefined,
      role: 'call',
      startMs: Math.floor(startMs + n * stepMs),
      durationMs,
      timeToFirstTokenMs: random() < 0.5 ? Math.round(durationMs / 5) : undefined,
      operation: 'chat',
      provider,
      requestedModel: model,
      model,
      responseId: undefined,
      serviceTier: undefined,
      streamed: false,
      status: failed ? 'error' : 'ok',
      errorClass: failed ? 'rate_limit' : undefined,
      errorType: failed ? 'RateLimitError' : undefined,
      finishReason: failed ? undefined : 'stop',
      usage: failed
        ? undefined
        : usageOf({
            inputTokens: input,
            cacheReadTokens: random() < 0.3 ? input * 2 : 0,
            outputTokens: Math.round(Math.exp(5 + gauss(random))),
            reasoningTokens: random() < 0.2 ? Math.round(Math.exp(5 + gauss(random))) : 0,
          }),
      usageQuality: failed ? 'missing' : 'reported',
      parts: undefined,
      reportedCostNanoUsd: undefined,
      user: `user-${user}`,
      session: `s-${user}-${Math.floor(n / (calls / 60))}`,
      properties: properties(user, random),
      resourceIdentity: undefined,
      origin: 'app',
      faults: [],
      settled: true,
    }
  }
}

function properties(user: number, random: () => number): ReadonlyMap<string, Property> {
  return new Map([
    ['environment', { name: 'Environment', value: pick(environments, random) }],
    ['plan', { name: 'Plan', value: plans[user % plans.length] ?? 'free' }],
    ['feature', { name: 'Feature', value: pick(features, random) }],
    ['app_version', { name: 'App-Version', value: `4.${Math.floor(random() * 40)}` }],
    ['tenant', { name: 'Tenant', value: `tenant-${user % 2000}` }],
  ])
}

function pick(values: readonly string[], random: () => number): string {
  return values[Math.floor(random() * values.length)] ?? ''
}

function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

function hex(random: () => number, words: number): string {
  let text = ''
  for (let n = 0; n < words; n++)
    text += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return text
}

/** Ranks 0..n-1 with probability proportional to 1 / (rank + 1)^s. */
function zipf(n: number, s: number, random: () => number): () => number {
  const cumulative = new Float64Array(n)
  let sum = 0
  for (let rank = 0; rank < n; rank++) cumulative[rank] = sum += 1 / (rank + 1) ** s
  return () => {
    const wanted = random() * sum
    let low = 0
    let high = n - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A small seeded generator (Tommy Ettinger's mulberry32, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
