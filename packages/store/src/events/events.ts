import { mergeIdentities, type Identity } from '@spanledger/conventions'

import type { Batch, WrittenEvent } from '../batch.ts'
import { encodeEventRow, encodeIdentityRow, insertEvents, updateEventIdentities } from './event-row.ts'
import { NOBODY, tellable } from '../names/withheld-identity.ts'
import { nobody, type Interning } from '../names/interning.ts'
import { forgetSaidUsers, type RowKey } from '../users/move-to-user.ts'
import { namesOfCalls, type NameableCall } from './named-calls.ts'
import {
  decideIdentities,
  insertOpenEvents,
  isAnyNamed,
  readNamesOfUsers,
  readOpenEvents,
  toOpenEvent,
  type OpenEvent,
} from './open-events.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { readStanding } from '../traces/standing.ts'

/** What writing events leans on. */
export interface EventContext {
  readonly db: Sqlite
  readonly interning: Interning
  readonly nowMs: () => number
  readonly maxStartMs: number
}

/**
 * Writes the events of a batch, each once, and gives those already in the ledger the user that its links and calls now
 * say they have, or by those that name them. Inside a transaction, after the links and calls are among the spans of their
 * traces. `calls`: those that are new, or somebody else's now.
 * @returns how many were inserted, and which were there before; what was refused, or there already, is added to the counters
 */
export async function writeEvents(
  context: EventContext,
  batch: Batch,
  { counters, calls }: { counters: Map<string, number>; calls: () => readonly NameableCall[] },
): Promise<{ inserted: number; revised: readonly RowKey[] }> {
  const { db, nowMs } = context
  const names = (await isAnyNamed(db)) ? namesOfCalls(calls()) : new Map<string, RowKey[]>()
  const waiting = await readOpenEvents(db, { traceIds: grownTraces(batch), names: names.keys() })
  const fresh = await freshEvents(context, batch.events ?? [], counters)
  if (fresh.length === 0 && waiting.length === 0) return { inserted: 0, revised: [] }

  const open = new Map(fresh.map((event) => [event, toOpenEvent(event)] as const))
  const freshOpen = [...open.values()].filter((event) => event !== undefined)
  await insertOpenEvents(db, freshOpen, nowMs())
  const identities = await decideIdentities(db, [...freshOpen, ...waiting], { fresh: names, waiting: new Set(waiting) })
  await forget(
    db,
    [...identities].flatMap(([event, identity]) => (isWithheld(event, identity) ? [event] : [])),
  )
  const identityOf = (event: WrittenEvent): Identity => {
    const asked = open.get(event)
    return (asked === undefined ? undefined : identities.get(asked)) ?? withResource(event)
  }
  const kept = fresh.filter((event) => !isWithheld(event, identityOf(event)))
  await insertFresh(context, kept, (event) => tellable(identityOf(event)))
  await revise(context, waiting, identities)
  for (const event of kept) for (const fault of event.faults) addTo(counters, fault)
  return { inserted: kept.length, revised: waiting.map(({ startMs, spanId, traceId }) => [startMs, spanId, traceId]) }
}

/**
 * Decides again whose events are that name calls or sessions, because users became one, or are two again; under whom they say, as a
 * batch does. Inside a transaction.
 * @returns which they are
 */
export async function redecideNamedEvents(
  { db, interning }: Pick<EventContext, 'db' | 'interning'>,
  users: readonly string[],
): Promise<readonly RowKey[]> {
  const names = await readNamesOfUsers(db, users)
  if (names.length === 0) return []
  const waiting = await readOpenEvents(db, { traceIds: new Set(), names })
  await interning.begin(await readStanding(db))
  await revise({ db, interning }, waiting, await decideIdentities(db, waiting, { fresh: new Map(), waiting: new Set(waiting) }))
  return waiting.map(({ startMs, spanId, traceId }) => [startMs, spanId, traceId])
}

/** Of those of whom nothing is to be kept, only what they paid is. */
function isWithheld({ kind }: Pick<WrittenEvent, 'kind'>, { user }: Identity): boolean {
  return user === NOBODY && kind !== 'revenue'
}

/** Takes events away that turned out to be of somebody of whom nothing is to be kept. */
async function forget(db: Sqlite, events: readonly OpenEvent[]): Promise<void> {
  if (events.length === 0) return
  const keys = JSON.stringify(events.map(({ startMs, spanId, traceId }) => [startMs, spanId, traceId]))
  for (const table of ['events', 'open_events']) {
    await db.run(
      `DELETE FROM ${table} WHERE (start_ms, span_id, trace_id) IN (SELECT value->>0, unhex(value->>1), unhex(value->>2) FROM jsonb_each(?))`,
      keys,
    )
  }
}

/** The traces of which the batch brings spans that may stand above an event. */
function grownTraces({ calls, links = [] }: Batch): ReadonlySet<string> {
  const traces = new Set(links.map(({ traceId }) => traceId))
  for (const { settled, traceId } of calls) if (settled !== true) traces.add(traceId)
  return traces
}

function addTo(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** The events of a batch, each once, that the ledger does not have; the others are counted. */
async function freshEvents(
  { db, maxStartMs }: EventContext,
  events: readonly WrittenEvent[],
  counters: Map<string, number>,
): Promise<WrittenEvent[]> {
  const unique = new Map<string, WrittenEvent>()
  for (const event of events) {
    const key = `${event.startMs} ${event.spanId} ${event.traceId}`
    if (!(event.startMs >= 0 && event.startMs < maxStartMs)) addTo(counters, 'refused_event_time')
    else if (unique.has(key)) addTo(counters, 'duplicate_events')
    else unique.set(key, event)
  }
  if (unique.size === 0) return []
  const candidates = [...unique.values()]
  const [row] = await db.all<{ found: string }>(
    `SELECT json_group_array(j.key) AS found FROM jsonb_each(?) AS j
     JOIN events AS e ON e.start_ms = j.value->>0 AND e.span_id = unhex(j.value->>1) AND e.trace_id = unhex(j.value->>2)`,
    JSON.stringify(candidates.map(({ startMs, spanId, traceId }) => [startMs, spanId, traceId])),
  )
  const known = new Set(JSON.parse(row?.found ?? '[]') as number[])
  if (known.size > 0) counters.set('duplicate_events', (counters.get('duplicate_events') ?? 0) + known.size)
  return candidates.filter((_, n) => !known.has(n))
}

/** So many at a time keep what is bound small. */
const SLICE = 1024

async function insertFresh(
  { db, interning }: EventContext,
  fresh: readonly WrittenEvent[],
  identityOf: (event: WrittenEvent) => Identity,
): Promise<void> {
  for (let at = 0; at < fresh.length; at += SLICE) {
    const slice = fresh.slice(at, at + SLICE)
    const identities = slice.map(identityOf)
    const ids = await interning.internIdentities(identities)
    const subjectIds = await interning.internSubjects(slice)
    const rows = slice.map((event, n) =>
      encodeEventRow(event, identities[n] ?? event, { ...(ids[n] ?? nobody), subjectId: subjectIds[n] ?? 0 }),
    )
    await db.run(insertEvents, JSON.stringify(rows))
  }
}

/** Events in the ledger whose trace may say more than it did: their user, session, properties, and what they are about. */
async function revise(
  { db, interning }: Pick<EventContext, 'db' | 'interning'>,
  waiting: readonly OpenEvent[],
  identities: ReadonlyMap<OpenEvent, Identity>,
): Promise<void> {
  if (waiting.length === 0) return
  const decided = waiting.map((event) => tellable(identities.get(event) ?? event.identity))
  const ids = await interning.internIdentities(decided)
  const rows = waiting.map((event, n) => encodeIdentityRow(event, decided[n] ?? event.identity, ids[n] ?? nobody))
  await db.run(updateEventIdentities, JSON.stringify(rows))
  await forgetSaidUsers(db, JSON.stringify(rows), 'events')
}

/** Whose an event is that no span above can add to. */
function withResource(event: WrittenEvent): Identity {
  return event.resourceIdentity === undefined ? event : mergeIdentities([event, event.resourceIdentity])
}
