import type { WriteOutcome } from '@spanledger/store'

import type { ImportedCalls } from './imported-call.ts'
import type { Refusal, RefusalReason } from './refusal.ts'

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
  /** Ratings and other events that are in the ledger now and were not before. */
  events: number
  /** Records that are neither call nor event. */
  no_call: number
  /** Records that are not imported, and spans of a request that are not. */
  refused: number
  refusals: { reason: RefusalReason; count: number; first: { line: number; detail: string }[] }[]
  /** Values that could not be kept as they were, by what was wrong; their calls are in the ledger. */
  mended: Record<string, number>
}

export function emptyTally(): Tally {
  return {
    records: 0,
    calls: 0,
    imported: 0,
    already_there: 0,
    repeated: 0,
    unpriced: 0,
    events: 0,
    no_call: 0,
    refused: 0,
    refusals: [],
    mended: {},
  }
}

/** Lines of the first few are enough to look at. */
const MAX_LINES = 5

export function addRefusal(tally: Tally, { refused: reason, detail }: Refusal, line: number): void {
  tally.refused++
  const known = refusalsOf(tally, reason)
  known.count++
  if (known.first.length < MAX_LINES) known.first.push({ line, detail })
}

export function addRead(tally: Tally, { calls, events = [], mended = [], refusals = [] }: ImportedCalls, line: number): void {
  if (calls.length + events.length + refusals.length === 0) tally.no_call++
  tally.calls += calls.length
  for (const { faults } of [...calls, ...events]) for (const fault of faults) addTo(tally.mended, fault, 1)
  for (const fault of mended) addTo(tally.mended, fault, 1)
  for (const refusal of refusals) addRefusal(tally, refusal, line)
}

export function addOutcome(tally: Tally, { inserted, duplicates, uncounted, unpriced, insertedEvents }: WriteOutcome): void {
  tally.imported += inserted
  tally.already_there += duplicates
  tally.repeated += uncounted
  tally.unpriced += unpriced
  tally.events += insertedEvents
}

/** Adds what became of further records. */
export function addTally(sum: Tally, more: Tally): void {
  sum.records += more.records
  sum.calls += more.calls
  sum.imported += more.imported
  sum.already_there += more.already_there
  sum.repeated += more.repeated
  sum.unpriced += more.unpriced
  sum.events += more.events
  sum.no_call += more.no_call
  sum.refused += more.refused
  for (const { reason, count, first } of more.refusals) {
    const known = refusalsOf(sum, reason)
    known.count += count
    known.first.push(...first.slice(0, MAX_LINES - known.first.length))
  }
  for (const [fault, count] of Object.entries(more.mended)) addTo(sum.mended, fault, count)
}

function refusalsOf(tally: Tally, reason: RefusalReason): Tally['refusals'][number] {
  let known = tally.refusals.find((one) => one.reason === reason)
  if (known === undefined) {
    known = { reason, count: 0, first: [] }
    tally.refusals.push(known)
  }
  return known
}

function addTo(counts: Record<string, number>, name: string, count: number): void {
  counts[name] = (counts[name] ?? 0) + count
}
