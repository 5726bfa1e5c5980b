import type { WriteOutcome, WrittenCall } from '@spanledger/store'

import type { RefusalReason } from './refusal.ts'

/** What became of the records of a file so far. Plain data: it is kept with the place an import has come to. */
export interface Tally {
  records: number
  /** What was read from them; each is imported or was there already. */
  calls: number
  /** Calls that are in the ledger now and were not before. */
  imported: number
  /** Calls that were in the ledger, or came twice. */
  already_there: number
  /** Of the imported, those that repeat what another call has: wrappers, several records of one answer. They do not count. */
  repeated: number
  /** Of the imported that count, those without a known price. */
  unpriced: number
  /** Records that are no LLM call. */
  no_call: number
  refused: number
  refusals: { reason: RefusalReason; count: number; first: { line: number; detail: string }[] }[]
  /** Values that could not be kept as they were, by what was wrong; their calls are in the ledger. */
  mended: Record<string, number>
}

export function emptyTally(): Tally {
  return { records: 0, calls: 0, imported: 0, already_there: 0, repeated: 0, unpriced: 0, no_call: 0, refused: 0, refusals: [], mended: {} }
}

export function addCalls(tally: Tally, calls: readonly WrittenCall[], mended: readonly string[] = []): void {
  if (calls.length === 0) tally.no_call++
  tally.calls += calls.length
  for (const { faults } of calls) for (const fault of faults) addTo(tally.mended, fault, 1)
  for (const fault of mended) addTo(tally.mended, fault, 1)
}

/** Lines of the first few are enough to look at. */
const MAX_LINES = 5

export function addRefusal(tally: Tally, { reason, line, detail }: { reason: RefusalReason; line: number; detail: string }): void {
  tally.refused++
  let known = tally.refusals.find((one) => one.reason === reason)
  if (known === undefined) {
    known = { reason, count: 0, first: [] }
    tally.refusals.push(known)
  }
  known.count++
  if (known.first.length < MAX_LINES) known.first.push({ line, detail })
}

export function addOutcome(tally: Tally, { inserted, duplicates, uncounted, unpriced }: WriteOutcome): void {
  tally.imported += inserted
  tally.already_there += duplicates
  tally.repeated += uncounted
  tally.unpriced += unpriced
}

/** Adds what became of further records. */
export function addTally(sum: Tally, more: Tally): void {
  sum.records += more.records
  sum.calls += more.calls
  sum.imported += more.imported
  sum.already_there += more.already_there
  sum.repeated += more.repeated
  sum.unpriced += more.unpriced
  sum.no_call += more.no_call
  sum.refused += more.refused
  for (const { reason, count, first } of more.refusals) {
    let known = sum.refusals.find((one) => one.reason === reason)
    if (known === undefined) {
      known = { reason, count: 0, first: [] }
      sum.refusals.push(known)
    }
    known.count += count
    known.first.push(...first.slice(0, MAX_LINES - known.first.length))
  }
  for (const [fault, count] of Object.entries(more.mended)) addTo(sum.mended, fault, count)
}

function addTo(counts: Record<string, number>, name: string, count: number): void {
  counts[name] = (counts[name] ?? 0) + count
}
