import type { SpanRecord } from '../span.ts'
import { readTokenCount } from '../token-count.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole } from './genai-call.ts'

/**
 * The spans that @anthropic-ai/sdk makes by itself since 0.134 (1.14.0, read 2026-11-25): the conventions, and what they have
 * no name for. Counting tokens and creating sessions name a model too and are no calls.
 */
export const anthropicSdk: Dialect = { name: 'anthropic-sdk', read }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  if (span.scopeName !== 'com.anthropic.sdk.typescript') return undefined
  const { attributes } = span
  const role = genaiRole(attributes)
  if (role === undefined) return 'none'
  const said = genaiCall(span, role)
  return {
    ...said,
    counts: {
      ...said.counts,
      // Billed, and in no other count.
      input: plus(said.counts.input, attributes['anthropic.usage.compaction.input_tokens']),
      output: plus(said.counts.output, attributes['anthropic.usage.compaction.output_tokens']),
    },
    counting: { inputIncludesCache: true, outputIncludesReasoning: true },
  }
}

function plus(count: unknown, more: unknown): unknown {
  const [one, other] = [readTokenCount(count), readTokenCount(more)]
  return one === undefined || other === undefined ? count : one + other
}
