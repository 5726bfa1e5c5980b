import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole } from './genai-call.ts'

/**
 * Pydantic AI: the conventions, with what they lack under `gen_ai.usage.details.*` (there the same tokens stand
 * once more, so they are looked at only where the conventions' name is missing) and a cost of its own under `operation.cost`.
 * Input counts hold cached tokens, whatever the provider.
 */
export const pydanticAi: Dialect = { name: 'pydantic-ai', read }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  if (!/^pydantic[-_]ai\b/.test(span.scopeName)) return undefined
  const { attributes } = span
  const role = genaiRole(attributes)
  if (role === undefined) return 'none'
  const said = genaiCall(span, role)
  const detail = (...names: readonly string[]): unknown =>
    names.map((name) => attributes[`gen_ai.usage.details.${name}`]).find((value) => value !== undefined)
  return {
    ...said,
    counts: {
      ...said.counts,
      cacheRead: said.counts.cacheRead ?? detail('cache_read_input_tokens', 'cache_read_tokens', 'cached_tokens', 'cached_content_tokens'),
      cacheWrite: said.counts.cacheWrite ?? detail('cache_creation_input_tokens', 'cache_write_tokens'),
      reasoning: said.counts.reasoning ?? detail('reasoning_tokens', 'thoughts_tokens'),
    },
    counting: { inputIncludesCache: true },
    reportedCostUsd: attributes['operation.cost'],
  }
}
