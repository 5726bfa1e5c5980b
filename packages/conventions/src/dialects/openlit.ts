import { canonicalProvider } from '../provider.ts'
import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole } from './genai-call.ts'

/** OpenLIT: the conventions' names, Anthropic's counts as Anthropic gives them (TypeScript 1.15.0, read 2026-11-25; Python alike). */
export const openlit: Dialect = { name: 'openlit', read }

function read(span: SpanRecord): DialectCall | 'none' | undefined {
  const { attributes, resourceAttributes, scopeName } = span
  // Its provider exports what other libraries of the process write, too; in Python its scopes do not all bear its name.
  const own =
    /^@?openlit/.test(scopeName) ||
    (resourceAttributes['telemetry.sdk.name'] === 'openlit' && attributes['gen_ai.sdk.version'] !== undefined)
  if (!own) return undefined
  const role = genaiRole(attributes)
  if (role === undefined) return 'none'
  const said = genaiCall(span, role)
  const cost = attributes['gen_ai.usage.cost']
  return {
    ...said,
    streamed: said.streamed || attributes['gen_ai.request.is_stream'] === true,
    counting: /^anthropic$|^aws\.bedrock$/.test(canonicalProvider(said.provider)) ? { inputIncludesCache: false } : {},
    // 0 is what it writes where it knows no price.
    reportedCostUsd: cost === 0 ? undefined : cost,
  }
}
