import type { InstrumentationConfig } from '@opentelemetry/instrumentation'

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
  readonly baggage: { readonly read: readonly string[]; readonly write: readonly string[] }
}

/** Option, else environment, else default. A value that is not one of the allowed is ignored. */
export function resolveOptions(options: LlmInstrumentationOptions = {}, env: NodeJS.ProcessEnv = process.env): ResolvedOptions {
  return {
    includeUsage: options.includeUsage ?? flag(env['SPANLEDGER_INCLUDE_USAGE']) ?? 'auto',
    idleMs: positive(options.idleMs) ?? positive(Number(env['SPANLEDGER_IDLE_MS'])) ?? 600_000,
    baggage: {
      read: options.baggage?.read ?? list(env['SPANLEDGER_BAGGAGE_READ']),
      write: options.baggage?.write ?? list(env['SPANLEDGER_BAGGAGE_WRITE']),
    },
  }
}

function flag(text: string | undefined): boolean | undefined {
  const lower = text?.trim().toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : undefined
}

function list(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
