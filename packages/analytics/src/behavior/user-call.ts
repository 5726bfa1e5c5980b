import type { AskedCall } from '../read/asked-call.ts'

/** What of a call matters for how its user behaves. */
export interface UserCall extends AskedCall {
  readonly timeToFirstTokenMs: number | undefined
  /** Another LLM call of the same trace stands above it: an agent's own calls are no messages of the user. */
  readonly isNested: boolean
}

/** What a class of errors is shown as where it is an issue of users: in the plural, as in "format_errors". */
export function issueName(errorClass: string | undefined): string {
  if (errorClass === undefined) return 'regenerated'
  if (errorClass === 'timeout' || errorClass === 'truncated' || errorClass === 'cancelled' || errorClass === 'other') return errorClass
  return errorClass.endsWith('s') ? errorClass : `${errorClass}s`
}

const chatOperations: ReadonlySet<string> = new Set(['chat', 'text_completion', 'generate_content'])

/** A call that a user's message may stand behind. */
export function isChat({ operation, isNested }: Pick<UserCall, 'operation' | 'isNested'>): boolean {
  return chatOperations.has(operation) && !isNested
}
