import type { CallKind } from './read-kinds.ts'

/** What of a call says whether it asks something once more, and what became of it. */
export interface AskedCall extends CallKind {
  /** Identifies the call among those looked at. */
  readonly id: string
  readonly user: string
  /** The session the app named; undefined where it named none. */
  readonly session: string | undefined
  readonly startMs: number
  readonly endMs: number
  readonly feature: string | undefined
  /** Equal for calls that ask the same; undefined where the app does not take fingerprints. */
  readonly fingerprint: string | number | undefined
  /** The id of the call that the app says this one asks once more. */
  readonly retryOf?: string | undefined
}

/** Calls of users in the order of time; of equal starts by id, so that the order is always the same. */
export function inOrder<Call extends Pick<AskedCall, 'startMs' | 'id'>>(calls: readonly Call[]): Call[] {
  return calls.toSorted((a, b) => a.startMs - b.startMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}
