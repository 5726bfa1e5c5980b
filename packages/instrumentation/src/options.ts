import { diag } from '@opentelemetry/api'
import type { InstrumentationConfig } from '@opentelemetry/instrumentation'

import { labelStyle, type StyleLabeller } from './communication-style.ts'

/** What an app may set; README.md has the same table. */
export interface LlmInstrumentationOptions extends InstrumentationConfig {
  /**
   * Whether streamed chat completions ask the provider for usage (`stream_options.include_usage`) when the app did not.
   * What the provider then sends in addition is taken out again before the app sees it, of raw responses
   * (`asResponse()`, `withResponse()`) too. `auto`: only where the server is known to take it, api.openai.com and Azure;
   * false: never, token counts of such streams are estimated.
   */
  readonly includeUsage?: boolean | 'auto' | undefined
  /** Milliseconds after which an answer or stream that the app does not read on is given up: its span ends. */
  readonly idleMs?: number | undefined
  /**
   * Fields of the request body that name the user, the first that has a text wins; dots go into objects. Default: `user`,
   * `metadata.user_id`, `safety_identifier`. An empty list takes no user from bodies.
   */
  readonly userFields?: readonly string[] | undefined
  /**
   * A secret of at least 16 characters. With it each call carries 48 bits of a keyed hash of the user's last message and the system
   * prompt, so that the ledger sees what was asked again. Off where there is none; another key begins anew.
   */
  readonly fingerprintKey?: string | undefined
  /**
   * Tells of each call how the user writes, as its property `communication_style`: `formal`, `casual` or `unknown`. With true by a
   * heuristic for English, else by a function of one's own, which is given the user's last message. Off where nothing is said.
   */
  readonly communicationStyle?: boolean | StyleLabeller | undefined
  /** Baggage entries that become identity, and identity that becomes baggage. None unless named here. */
  readonly baggage?: BaggageOptions | undefined
}

/**
 * Names of entries: `user.id`, `session.id`, `property.<key>`, or `property.*` for all. Read only behind a gateway that
 * strips baggage from outside; written entries go to every host the app calls, LLM providers included.
 */
export interface BaggageOptions {
  readonly read?: readonly string[] | undefined
  readonly write?: readonly string[] | undefined
}

/** The options with every gap filled. */
export interface ResolvedOptions {
  readonly includeUsage: boolean | 'auto'
  readonly idleMs: number
  readonly userFields: readonly string[]
  readonly fingerprintKey: string | undefined
  readonly communicationStyle: StyleLabeller | undefined
  readonly baggage: { readonly read: readonly string[]; readonly write: readonly string[] }
}

/** Option, else environment, else default. A value that is not one of the allowed is ignored. */
export function resolveOptions(options: LlmInstrumentationOptions = {}, env: NodeJS.ProcessEnv = process.env): ResolvedOptions {
  return {
    includeUsage: options.includeUsage ?? flag(env['SPANLEDGER_INCLUDE_USAGE']) ?? 'auto',
    idleMs: positive(options.idleMs) ?? positive(Number(env['SPANLEDGER_IDLE_MS'])) ?? 600_000,
    userFields: strings(options.userFields) ?? named(env['SPANLEDGER_USER_FIELDS']) ?? ['user', 'metadata.user_id', 'safety_identifier'],
    fingerprintKey: secret(options.fingerprintKey ?? env['SPANLEDGER_FINGERPRINT_KEY']),
    communicationStyle: labeller(options.communicationStyle ?? flag(env['SPANLEDGER_COMMUNICATION_STYLE'])),
    baggage: {
      read: options.baggage?.read ?? list(env['SPANLEDGER_BAGGAGE_READ']),
      write: options.baggage?.write ?? list(env['SPANLEDGER_BAGGAGE_WRITE']),
    },
  }
}

function labeller(given: unknown): StyleLabeller | undefined {
  if (given === true) return labelStyle
  return typeof given === 'function' ? (given as StyleLabeller) : undefined
}

const MIN_KEY_LENGTH = 16

/** A key that can be guessed is none: with it anybody could try what was asked. */
function secret(key: unknown): string | undefined {
  if (key === undefined || key === null || key === '') return undefined
  if (typeof key === 'string' && key.trim().length >= MIN_KEY_LENGTH) return key.trim()
  diag.warn(`spanledger: fingerprintKey must be a text of at least ${MIN_KEY_LENGTH} characters; no fingerprints are taken.`)
  return undefined
}

/** Undefined for a variable that is not set; set to nothing it is no name at all. */
function named(text: string | undefined): readonly string[] | undefined {
  return text === undefined ? undefined : list(text)
}

function flag(text: string | undefined): boolean | undefined {
  const lower = text?.trim().toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : undefined
}

/** Undefined for what is no list of texts. */
function strings(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
