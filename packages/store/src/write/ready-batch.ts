import type { PriceBook } from '@spanledger/pricing'

import type { Batch, WrittenCall } from '../batch.ts'
import { inTurns, SHORT_RUN } from '../sqlite/in-turns.ts'
import { readyTraces, type ReadyTraces } from '../traces/trace-spans.ts'
import { newRow, type CallRow } from './call-row.ts'
import { costOfCall, withoutSaved } from './saved.ts'

/** A batch, with all that can be known of it before its transaction begins: meanwhile the one before has SQLite to itself. */
export interface ReadyBatch {
  readonly batch: Batch
  /** Its calls, each once, as they are kept. */
  readonly calls: readonly WrittenCall[]
  /** Theirs; ids and verdicts of their traces are filled in by the transaction. */
  readonly rows: readonly CallRow[]
  /** Resolves when the rows have their costs: where no write runs, SQLite looks for those who are not remembered meanwhile. */
  readonly priced: Promise<void>
  /** Of the calls that are decided with their traces, and of the links. */
  readonly traces: ReadyTraces
  /** How many calls were refused, or there already, by counter. */
  readonly counters: ReadonlyMap<string, number>
}

/** Starts beyond these are no clock's answer; such a call is refused and counted. */
export const MAX_START_MS = Date.UTC(2200, 0, 1)

export async function readyBatch(batch: Batch, { priceBook, nowMs }: { priceBook: PriceBook; nowMs: number }): Promise<ReadyBatch> {
  const counters = new Map<string, number>()
  const calls = uniqueCalls(withoutSaved(batch.calls), counters)
  const rows = calls.map(newRow)
  const price = (run: readonly CallRow[]): void => {
    for (const row of run) row.cost = costOfCall(row.call, priceBook)
  }
  const priced = inTurns(rows, price, SHORT_RUN)
  priced.catch(() => undefined) // Thrown when it is waited for; until then it only must not count as unhandled.
  const unsettled = calls.filter(({ settled }) => settled !== true)
  return { batch, calls, rows, priced, traces: await readyTraces(unsettled, batch.links ?? [], nowMs), counters }
}

/** The calls of a batch, each once; the others are counted. */
function uniqueCalls(calls: readonly WrittenCall[], counters: Map<string, number>): WrittenCall[] {
  const count = (name: string): void => void counters.set(name, (counters.get(name) ?? 0) + 1)
  const unique: WrittenCall[] = []
  // By span id first, which nearly always decides; a key of all three would be put together for every call.
  const firstOfSpan = new Map<string, WrittenCall>()
  const others = new Set<string>()
  for (const call of calls) {
    if (!(call.startMs >= 0 && call.startMs < MAX_START_MS)) {
      count('refused_start_time')
      continue
    }
    const first = firstOfSpan.get(call.spanId)
    if (first === undefined) firstOfSpan.set(call.spanId, call)
    else {
      const key = `${call.spanId} ${call.traceId} ${call.startMs}`
      if ((first.traceId === call.traceId && first.startMs === call.startMs) || others.has(key)) {
        count('duplicate_calls')
        continue
      }
      others.add(key)
    }
    unique.push(call)
  }
  return unique
}
