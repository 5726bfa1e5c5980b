import type { Rejected } from './answer.ts'
import { signals, type SignalName } from './signals.ts'

/** Why a part of a request is not taken: the counter's name, and what the answer says. */
const reasons = {
  refused_trace_id: 'without a valid trace id (32 hex digits)',
  refused_span_id: 'without a valid span id (16 hex digits)',
  refused_start_time: 'without a start from 1970 to 2199',
  refused_by_store: 'refused by the ledger',
} as const satisfies Record<string, string>

export type Reason = keyof typeof reasons

/** What of one request was not taken. */
export class Rejections {
  readonly counts = new Map<Reason, number>()

  add(reason: Reason, count = 1): void {
    this.counts.set(reason, (this.counts.get(reason) ?? 0) + count)
  }

  /** For `partial_success`. Says how many and why, nothing of what was in them. */
  toRejected(signal: SignalName): Rejected {
    let count = 0
    for (const one of this.counts.values()) count += one
    if (count === 0) return { count, message: '' }
    const { unit } = signals[signal]
    const why = [...this.counts].map(([reason, times]) => `${times} ${reasons[reason]}`).join(', ')
    const hint = signal === 'traces' && this.counts.has('refused_trace_id') ? ' Log records go to /v1/logs.' : ''
    return { count, message: `Not taken: ${count} ${unit}${count === 1 ? '' : 's'} (${why}).${hint}` }
  }
}
