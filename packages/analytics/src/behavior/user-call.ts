/** What of a call matters for how its user behaves. */
export interface UserCall {
  /** Identifies the call among those looked at. */
  readonly id: string
  readonly user: string
  /** The session the app named; undefined where it named none. */
  readonly session: string | undefined
  readonly startMs: number
  readonly endMs: number
  readonly timeToFirstTokenMs: number | undefined
  readonly feature: string | undefined
  readonly operation: string
  readonly status: 'ok' | 'error' | 'cancelled'
  /** One of the classes of conventions' `classifyError`; `truncated` on calls that are ok. */
  readonly errorClass: string | undefined
  /** Equal for calls that ask the same; undefined where the app does not take fingerprints. */
  readonly fingerprint: string | number | undefined
  /** The id of the call that the app says this one asks once more. */
  readonly retryOf?: string | undefined
  /** Whether a program tried again: within this call, or with it. */
  readonly autoRetry?: 'inside' | 'itself' | undefined
  /** Another LLM call of the same trace stands above it: an agent's own calls are no messages of the user. */
  readonly isNested: boolean
}

/** What a call was, and what became of it. */
export interface CallKind {
  readonly operation: string
  readonly status: 'ok' | 'error' | 'cancelled'
  /** One of the classes of conventions' `classifyError`; `truncated` on calls that are ok. */
  readonly errorClass: string | undefined
  readonly autoRetry?: 'inside' | 'itself' | undefined
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

/** Calls of users in the order of time; of equal starts by id, so that the order is always the same. */
export function inOrder(calls: readonly UserCall[]): UserCall[] {
  return calls.toSorted((a, b) => a.startMs - b.startMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}

/** Calls by something, in the order they stand. */
export function groupBy<Thing, Key>(things: readonly Thing[], keyOf: (thing: Thing) => Key): Map<Key, Thing[]> {
  const groups = new Map<Key, Thing[]>()
  for (const thing of things) {
    const key = keyOf(thing)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [thing])
    else group.push(thing)
  }
  return groups
}
