import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole } from './genai-call.ts'

/**
 * The Vercel AI SDK 7 with `OpenTelemetry` of @ai-sdk/otel (1.0.173, read 2026-11-25), scope `gen_ai`: the conventions;
 * `invoke_agent` and `agent_step` around the calls; reasoning only where the app asks for `usage`.
 */
export const vercelGenai: Dialect = { name: 'vercel-genai', read }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  if (span.scopeName !== 'gen_ai') return undefined
  const { attributes } = span
  const role = genaiRole(attributes)
  if (role === undefined) return 'none'
  const said = genaiCall(span, role)
  return {
    ...said,
    counts: {
      ...said.counts,
      reasoning:
        said.counts.reasoning ?? attributes['ai.usage.outputTokenDetails.reasoningTokens'] ?? attributes['ai.usage.reasoningTokens'],
    },
    counting: { inputIncludesCache: true, outputIncludesReasoning: true },
  }
}
