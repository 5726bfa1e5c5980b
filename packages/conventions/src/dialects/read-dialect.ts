import { SPANLEDGER_SCOPE } from '../attributes.ts'
import type { SpanRecord } from '../span.ts'
import { anthropicSdk } from './anthropic-sdk.ts'
import { claudeCodeSpans } from './claude-code.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genai } from './genai.ts'
import { langfuse } from './langfuse.ts'
import { langsmith } from './langsmith.ts'
import { logfire } from './logfire.ts'
import { openinference } from './openinference.ts'
import { openlit } from './openlit.ts'
import { openllmetry } from './openllmetry.ts'
import { pydanticAi } from './pydantic-ai.ts'
import { vercelAi } from './vercel-ai.ts'
import { vercelGenai } from './vercel-genai.ts'

/**
 * Tried in order; the first that knows a span as its own reads it. Those that add to the spans of others stand first (Langfuse,
 * then OpenInference and OpenLLMetry after the AI SDK whose spans they enrich), those known by their scope next, and last the
 * conventions, which read what nobody else does.
 */
export const dialects: readonly Dialect[] = [
  langfuse,
  vercelAi,
  openinference,
  langsmith,
  openllmetry,
  openlit,
  anthropicSdk,
  vercelGenai,
  pydanticAi,
  logfire,
  claudeCodeSpans,
  genai,
]

/** What a span says of an LLM call, in whatever dialect; undefined when it is none. Our own spans cost no detour. Never throws. */
export function readDialect(span: SpanRecord): DialectCall | undefined {
  const said = span.scopeName === SPANLEDGER_SCOPE ? genai.read(span) : readForeign(span)
  return said === 'none' ? undefined : said
}

function readForeign(span: SpanRecord): DialectCall | 'none' | undefined {
  for (const dialect of dialects) {
    const said = dialect.read(span)
    if (said !== undefined) return said
  }
  return undefined
}
