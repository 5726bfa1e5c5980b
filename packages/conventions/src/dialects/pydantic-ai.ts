import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole } from './genai-call.ts'

/**
 * Pydantic AI and Logfire: the conventions, with what they lack under `gen_ai.usage.details.*` (there the same tokens stand
 * once more, so they are looked at only where the conventions' name is missing) and a cost of its own under `operation.cost`.
 * Input counts hold cached tokens, whatever the provider.
 */
export const pydanticAi: Dialect = { name: 'pydantic-ai', read }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  if (!/^pydantic[-_]ai\b|^logfire\b/.test(span.scopeName)) return undefined
  const { attributes } = span
  const role = genaiRole(attributes)
  if (role === undefined) return 'none'
  const said = genaiCall(span, role)
  const details = 'gen_ai.usage.details.'
  return {
    ...said,
    counts: {
      ...said.counts,
      cacheRead: said.counts.cacheRead ?? attributes[`${details}cache_read_input_tokens`] ?? attributes[`${details}cached_tokens`],
      cacheWrite: said.counts.cacheWrite ?? attributes[`${details}cache_creation_input_tokens`],
      reasoning: said.counts.reasoning ?? attributes[`${details}reasoning_tokens`] ?? attributes[`${details}thoughts_tokens`],
    },
    counting: { inputIncludesCache: true },
    reportedCostUsd: attributes['operation.cost'],
  }
}
