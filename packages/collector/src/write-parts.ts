import { StoreError, type SpanLink, type Store, type WrittenCall, type WrittenEvent } from '@spanledger/store'

import type { Waiting } from './waiting.ts'

/** What of a request goes into one transaction. */
export interface Part {
  readonly of: Waiting
  readonly calls: WrittenCall[]
  readonly events: WrittenEvent[]
  readonly links: SpanLink[]
  /** Whether the request has nothing more. */
  isLast: boolean
}

export function newPart(of: Waiting): Part {
  return { of, calls: [], events: [], links: [], isLast: true }
}

export function sizeOfPart({ calls, events, links }: Part): number {
  return calls.length + events.length + links.length
}

/**
 * Writes parts of several requests in one transaction. Where that fails they are written in halves: down to single calls,
 * events and links where one of these is at fault, so that it takes nothing else down with it; otherwise down to single
 * requests, so that one that needs what is broken in the ledger does not. Never throws: a request whose part is not in the
 * ledger is refused, and its sender keeps it, or has what no ledger would take among its rejections.
 */
export async function writeParts(store: Store, parts: readonly Part[]): Promise<void> {
  const open = parts.filter((part) => sizeOfPart(part) > 0 && !part.of.isRefused)
  const { single, error } = await writeHalves(store, open)
  // A store that refuses every one of several is at fault itself.
  const isStoreAtFault = single.length > 1 && single.length === open.reduce((sum, part) => sum + sizeOfPart(part), 0)
  for (const { of } of single) {
    if (isStoreAtFault) of.refuse(error)
    else of.rejections.add('refused_by_store')
  }
}

/** Parts of one call, event or link each that no store would take, and why. */
interface Unwritable {
  readonly single: readonly Part[]
  readonly error?: unknown
}

async function writeHalves(store: Store, parts: readonly Part[]): Promise<Unwritable> {
  if (parts.length === 0) return { single: [] }
  try {
    await store.write({
      calls: parts.flatMap(({ calls }) => calls),
      events: parts.flatMap(({ events }) => events),
      links: parts.flatMap(({ links }) => links),
    })
    return { single: [] }
  } catch (error) {
    const isOfValues = error instanceof StoreError && error.isOfValues
    if (!isOfValues && (parts.length === 1 || (error instanceof StoreError && error.kind !== 'other'))) {
      if (parts.length === 1 && parts[0] !== undefined) await writeWithoutEvents(store, parts[0])
      for (const { of } of parts) of.refuse(error)
      return { single: [] }
    }
    if (parts.length === 1 && parts[0] !== undefined && sizeOfPart(parts[0]) === 1) return { single: parts, error }
    const single: Part[] = []
    for (const half of halvesOf(parts)) single.push(...(await writeHalves(store, half)).single)
    return { single, error }
  }
}

/**
 * Where only events find no place, calls are in the ledger all the same. Their sender hears that not all is, sends all of it
 * again, and what is there changes nothing.
 */
async function writeWithoutEvents(store: Store, { calls, links, events }: Part): Promise<void> {
  if (events.length > 0 && calls.length + links.length > 0) await store.write({ calls, links }).catch(() => undefined)
}

/** Two halves of several parts, or of the one. */
function halvesOf(parts: readonly Part[]): readonly (readonly Part[])[] {
  const [first] = parts
  if (parts.length > 1 || first === undefined) {
    const middle = parts.length >> 1
    return [parts.slice(0, middle), parts.slice(middle)]
  }
  const { of, calls, events, links, isLast } = first
  const middle = sizeOfPart(first) >> 1
  // As if all stood in one row: calls, then events, then links.
  const cut = (from: number, to: number): Part => ({
    of,
    isLast,
    calls: calls.slice(from, to),
    events: events.slice(Math.max(from - calls.length, 0), Math.max(to - calls.length, 0)),
    links: links.slice(Math.max(from - calls.length - events.length, 0), Math.max(to - calls.length - events.length, 0)),
  })
  return [[cut(0, middle)], [cut(middle, sizeOfPart(first))]]
}
