import { readTokenCount } from '../token-count.ts'
import type { Usage, UsagePart } from '../usage.ts'

/** What a provider's answer says about the call it answers. Unknown stays undefined. */
export interface ProviderAnswer {
  /** The model that answered. */
  readonly model: string | undefined
  readonly responseId: string | undefined
  /** Undefined where the answer reports none: an error, a stream that ended early, an old API. */
  readonly usage: Usage | undefined
  /** Present where several requests, perhaps to several models, stand behind one answer; they add up to `usage`. */
  readonly parts: readonly UsagePart[] | undefined
  /** As the provider writes it, with `/us` behind it where the provider bills a region apart. */
  readonly serviceTier: string | undefined
  /** As the provider writes it. */
  readonly finishReason: string | undefined
  /** USD as decimal text: what the provider itself said the call cost. */
  readonly reportedCostUsd: string | undefined
}

/** Reads a streamed answer event by event. Neither method ever throws; an event without usage costs some property reads. */
export interface AnswerStream {
  /** One parsed event of the stream, in order. */
  event(json: unknown): void
  /** What the events so far say; may be asked at any time, so that a stream that was given up still has an answer. */
  result(): ProviderAnswer
}

/** What a caller knows that a body does not say. */
export interface AnswerOptions {
  /** Canonical provider id, for formats that providers fill in differently. */
  readonly provider?: string | undefined
}

export const emptyAnswer: ProviderAnswer = {
  model: undefined,
  responseId: undefined,
  usage: undefined,
  parts: undefined,
  serviceTier: undefined,
  finishReason: undefined,
  reportedCostUsd: undefined,
}

export type JsonObject = Readonly<Record<string, unknown>>

const emptyObject: JsonObject = Object.freeze({})

/** The value as something with members; an empty one for all else, so that reading goes on without checks. */
export function object(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : emptyObject
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The largest of several places where a provider may write one count; undefined where all are empty. */
export function largestCount(...values: readonly unknown[]): number | undefined {
  let largest: number | undefined
  for (const value of values) {
    const count = readTokenCount(value)
    if (count !== undefined && (largest === undefined || count > largest)) largest = count
  }
  return largest
}

/** A reported amount of USD as decimal text; undefined for what is no amount. */
export function usdText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? String(value) : undefined
  return text(value)
}
