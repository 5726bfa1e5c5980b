import type { Durations } from './durations.ts'
import type { UserSet } from './user-set.ts'

/** What is summed over calls; names as in the ledger's rollups. */
export const sumNames = [
  'requests',
  'errors',
  'cancelled',
  'unpriced_requests',
  'estimated_requests',
  'missing_usage_requests',
  'samples',
  'cost_nano_usd',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_cache_read_tokens',
  'audio_output_tokens',
  'image_input_tokens',
  'image_output_tokens',
  'web_searches',
  'latency_ms_sum',
  'rate_limited_requests',
] as const
export type SumName = (typeof sumNames)[number]

/** What is said beside calls: ratings and thumbs of people; how likely they recommend the app; goals and payments that an app tells of. */
export const saidKinds = ['feedback', 'nps', 'goals', 'revenue'] as const
export type Said = (typeof saidKinds)[number]

/** What needs more than sums. */
export type Need =
  | 'users'
  | 'sessions'
  | 'active_days'
  | 'latency'
  | 'ttft'
  | 'extent'
  | 'saved'
  | 'reported'
  | 'unpriced'
  | 'outcomes'
  | 'retries'
  | 'messages'
  | 'estimate'
  | 'whole'
  | Said

/** What is known of a group of calls; what no metric asked for is left out. */
export interface Group {
  readonly sums: ReadonlyMap<SumName, number>
  readonly costNanoUsd: bigint
  readonly users?: number
  /** Who they are, while groups are put together from parts. */
  readonly userSet?: UserSet
  readonly sessions?: number
  readonly activeDays?: number
  readonly unpricedTokens?: number
  readonly latency?: Durations
  readonly ttft?: Durations
  readonly firstStartMs?: number
  readonly lastStartMs?: number
  readonly lastEndMs?: number
  /** Undefined where it cannot be told; what nobody said is 0. */
  readonly feedback?: {
    readonly count: number
    readonly positive: number
    readonly scored: number
    /** Users who gave it, with a score. */
    readonly users: number
    readonly satisfaction: number | null
  }
  readonly nps?: { readonly answers: number; readonly promoters: number; readonly detractors: number }
  readonly goals?: { readonly told: number; readonly reached: number }
  readonly revenue?: {
    readonly payments: number
    readonly nanoUsd: bigint
    /** Whether the app told of any payment in the period, whoever paid: then a group without one earned nothing. */
    readonly isTold: boolean
  }
  /** Requests of which the app told how they ended, and those that ended well. */
  readonly outcomes?: { readonly known: number; readonly succeeded: number }
  /** Requests of users, and those of them that ask something once more; undefined where nothing in the ledger says so. */
  readonly retries?: { readonly requests: number; readonly retries: number }
  /** How all requests ended: as was told, else as they were rated, else as the calls themselves look. */
  readonly estimate?: { readonly requests: number; readonly told: number; readonly rated: number; readonly succeeded: number }
  /** Requests that a user's message stands behind. */
  readonly messages?: number
  /** Requests of the whole question, before rows are chosen. */
  readonly whole?: number
  readonly saved?: Saved
  readonly reported?: Reported
}

/** What providers and gateways said calls cost. */
export interface Reported {
  readonly calls: number
  readonly costNanoUsd: bigint
  /** Of those calls, the ones whose cost was computed too: how many, and both costs of them. */
  readonly priced: number
  readonly pricedNanoUsd: bigint
  readonly computedNanoUsd: bigint
}

/** What cache hits saved. */
export interface Saved {
  readonly hits: number
  /** Of those, the ones of which it is not known what they would have cost. */
  readonly unpriced: number
  readonly tokens: number
  readonly costNanoUsd: bigint
}
