import type { SpanRecord } from '../span.ts'
import type { Dialect, DialectCall } from './dialect.ts'
import { genaiCall, genaiRole } from './genai-call.ts'

/** The GenAI semantic conventions, names of 1.27 to today's; our own spans are written in it. */
export const genai: Dialect = { name: 'genai', read }

function read(span: SpanRecord): DialectCall | undefined {
  const role = genaiRole(span.attributes)
  return role === undefined ? undefined : genaiCall(span, role)
}
