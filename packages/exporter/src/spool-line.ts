import { eventKinds, type Identity, type LlmCall } from '@spanledger/conventions'
import type { Batch, Marks, SpanLink, WrittenCall, WrittenEvent } from '@spanledger/store'

/** What a spool file holds: calls, links and events as a batch does, and counts and a note that had no store to go to. */
export interface SpooledBatch extends Pick<Batch, 'calls' | 'links' | 'events'> {
  readonly counts?: ReadonlyMap<string, number>
  /** The app's note of its set-up. */
  readonly notes?: Marks | undefined
}

/** A batch as lines of JSON, one per call, link, event or set of counts, so that a torn file loses one line only. */
export function encodeBatch(batch: SpooledBatch): string {
  const lines: string[] = []
  for (const call of batch.calls) lines.push(JSON.stringify({ call }, plainMaps))
  for (const link of batch.links ?? []) lines.push(JSON.stringify({ link }, plainMaps))
  for (const event of batch.events ?? []) lines.push(JSON.stringify({ event }, plainMaps))
  if (batch.counts !== undefined && batch.counts.size > 0) lines.push(JSON.stringify({ counts: batch.counts }, plainMaps))
  if (batch.notes !== undefined) lines.push(JSON.stringify({ notes: batch.notes }, plainMaps))
  return lines.map((line) => line + '\n').join('')
}

/** The batch that some lines hold, and how many of them could not be read. Never throws: anybody may have written the file. */
export function decodeBatch(text: string): { batch: SpoolFile; refused: number } {
  const calls: WrittenCall[] = []
  const links: SpanLink[] = []
  const events: WrittenEvent[] = []
  const counts = new Map<string, number>()
  const notes = new Map<string, string>()
  let refused = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    const read = readLine(line)
    if (read === undefined) refused++
    else if ('call' in read) calls.push(read.call)
    else if ('link' in read) links.push(read.link)
    else if ('event' in read) events.push(read.event)
    else if ('notes' in read) for (const [name, note] of read.notes) notes.set(name, note)
    else for (const [name, count] of read.counts) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  return { batch: { calls, links, events, counts, notes }, refused }
}

/** What was read of a spool file. */
type SpoolFile = Required<Omit<SpooledBatch, 'notes'>> & { readonly notes: ReadonlyMap<string, string> }

type Line =
  | { call: WrittenCall }
  | { link: SpanLink }
  | { event: WrittenEvent }
  | { counts: [string, number][] }
  | { notes: [string, string][] }

function readLine(line: string): Line | undefined {
  try {
    const { call, link, event, counts, notes } = JSON.parse(line) as Record<string, Record<string, unknown> | undefined>
    if (call !== undefined) return isSpan(call) && isCall(call) ? { call: readCallLine(call) } : undefined
    if (link !== undefined) return isSpan(link) ? { link: readLinkLine(link) } : undefined
    if (event !== undefined) return isSpan(event) && isEvent(event) ? { event: readEventLine(event) } : undefined
    if (Array.isArray(notes)) return notes.every(isNote) ? { notes } : undefined
    return Array.isArray(counts) && counts.every(isCount) ? { counts } : undefined
  } catch {
    // The caller counts it.
    return undefined
  }
}

function readCallLine(call: Record<string, unknown>): WrittenCall {
  const properties = readProperties(call['properties'])
  return { ...(call as unknown as LlmCall), properties, resourceIdentity: readIdentity(call['resourceIdentity']) }
}

function readEventLine(event: Record<string, unknown>): WrittenEvent {
  const properties = readProperties(event['properties'])
  return { ...(event as unknown as WrittenEvent), properties, resourceIdentity: readIdentity(event['resourceIdentity']) }
}

function readLinkLine(link: Record<string, unknown>): SpanLink {
  const identity = readIdentity(link['identity'])
  return { ...(link as unknown as SpanLink), identity, resourceIdentity: readIdentity(link['resourceIdentity']) }
}

function isEvent({ kind, name, source, startFraction, faults }: Record<string, unknown>): boolean {
  const isKnown = typeof kind === 'string' && Object.hasOwn(eventKinds, kind)
  return isKnown && typeof name === 'string' && typeof source === 'string' && Number.isSafeInteger(startFraction) && Array.isArray(faults)
}

function isSpan({ traceId, spanId, startMs }: Record<string, unknown>): boolean {
  return isHex(traceId, 32) && isHex(spanId, 16) && Number.isSafeInteger(startMs)
}

function isCall({ provider, model, requestedModel, operation, status, durationMs, faults }: Record<string, unknown>): boolean {
  return (
    [provider, model, requestedModel, operation, status].every((text) => typeof text === 'string') &&
    Number.isSafeInteger(durationMs) &&
    Array.isArray(faults)
  )
}

function isHex(value: unknown, length: number): boolean {
  return typeof value === 'string' && value.length === length && /^[0-9a-f]+$/.test(value)
}

function isCount(entry: unknown): entry is [string, number] {
  return Array.isArray(entry) && typeof entry[0] === 'string' && Number.isSafeInteger(entry[1]) && entry[1] > 0
}

function isNote(entry: unknown): entry is [string, string] {
  return Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'string'
}

function readIdentity(value: unknown): Identity | undefined {
  if (value === undefined || value === null) return undefined
  const { user, session, properties } = value as { user?: string; session?: string; properties?: unknown }
  return { user, session, properties: readProperties(properties) }
}

/** @throws TypeError for what is no list of properties; the line is then refused */
function readProperties(entries: unknown): Identity['properties'] {
  const properties = new Map(entries as [string, { name: string; value: string }][])
  for (const [key, { name, value }] of properties) {
    if (typeof key !== 'string' || typeof name !== 'string' || typeof value !== 'string') throw new TypeError('not a property')
  }
  return properties
}

function plainMaps(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value
}
