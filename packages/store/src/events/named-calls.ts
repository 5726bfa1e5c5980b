import { mergeIdentities, type Identity } from '@spanledger/conventions'

import type { RowKey } from '../users/move-to-user.ts'
import { readNamedSpans } from '../traces/related-spans.ts'
import { resolvedUser } from '../users/resolved-user.ts'
import { responseHash } from '../traces/response-hash.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { TRACE_DAYS } from '../traces/trace-spans.ts'

/** An event that names a call or a session. */
export interface Naming {
  readonly startMs: number
  /** As `namedBy` gives it. */
  readonly named: string
  /** The call that was found before. */
  readonly namedCall: RowKey | undefined
}

type Target = { readonly kind: string; readonly id: string } | undefined

/** What an event may learn from whose it is: the call it is about, else its session where it says no user. */
export function namedBy(target: Target, { user, session }: Identity): string | undefined {
  if (target?.kind === 'call' || target?.kind === 'response') return `${target.kind} ${target.id}`
  return user === undefined && session !== undefined ? `session ${session}` : undefined
}

/** A call that came, or that is somebody else's now, with what events may name it by. */
export interface NameableCall {
  readonly key: RowKey
  readonly responseId: string | undefined
  readonly session: string | undefined
}

/** The names by which events may wait for calls. */
export function namesOfCalls(calls: readonly NameableCall[]): ReadonlyMap<string, RowKey[]> {
  const names: Named = new Map()
  for (const { key, responseId, session } of calls) {
    push(names, `call ${key[2]}-${key[1]}`, key)
    if (responseId !== undefined) push(names, `response ${responseId}`, key)
    if (session !== undefined) push(names, `session ${session}`, key)
  }
  return names
}

const DAY_MS = 86_400_000
/** How far before an event the call that it names may have started. */
const REACH_MS = TRACE_DAYS * DAY_MS
/** Clocks of two machines: the call that is named may seem to start later. */
const SKEW_MS = 60_000
/** The calls are read from the latest backwards in steps of these lengths: what is named is nearly always young. */
const STEPS_MS = [DAY_MS / 24, DAY_MS, REACH_MS]

interface Candidate {
  readonly key: RowKey
  readonly counted: boolean
}

/**
 * The call that each event names; where several have one response id, one that counts, the latest of those. Of events that were
 * looked for before (`isKnown`), only calls that came since are looked at beside the one that was found.
 */
export async function findNamedCalls<Event extends Naming>(
  db: Sqlite,
  events: readonly Event[],
  { fresh, isKnown }: { fresh: ReadonlyMap<string, readonly RowKey[]>; isKnown: (event: Event) => boolean },
): Promise<ReadonlyMap<Event, RowKey>> {
  const ofCalls = events.filter(({ named }) => !named.startsWith('session '))
  if (ofCalls.length === 0) return new Map()
  const keys = new Map<Event, RowKey[]>(
    ofCalls.map((event) => [event, [...(event.namedCall === undefined ? [] : [event.namedCall]), ...(fresh.get(event.named) ?? [])]]),
  )
  const open = await findInTraces(db, new Set(ofCalls.map(({ named }) => named)))
  for (const event of ofCalls) keys.get(event)?.push(...(open.get(event.named) ?? []))
  const sought = ofCalls.filter((event) => !isKnown(event) && keys.get(event)?.length === 0)
  const settled = await findSettled(db, sought)
  for (const event of sought) keys.get(event)?.push(...(settled.get(event.named) ?? []))
  const counted = await readCounted(db, [...keys.values()].flat())
  const found = new Map<Event, RowKey>()
  for (const [event, candidates] of keys) {
    const best = candidates
      .filter(([startMs]) => startMs <= event.startMs + SKEW_MS && startMs >= event.startMs - REACH_MS)
      .map((key): Candidate => ({ key, counted: counted.has(JSON.stringify(key)) }))
      .toSorted((a, b) => Number(b.counted) - Number(a.counted) || b.key[0] - a.key[0] || (a.key[1] < b.key[1] ? -1 : 1))[0]
    if (best !== undefined) found.set(event, best.key)
  }
  return found
}

type Named = Map<string, RowKey[]>

function push(named: Named, name: string, key: RowKey): void {
  const known = named.get(name)
  if (known === undefined) named.set(name, [key])
  else known.push(key)
}

/** Calls whose spans are among those of open traces. */
async function findInTraces(db: Sqlite, names: ReadonlySet<string>): Promise<Named> {
  const found: Named = new Map()
  const ofCalls = [...names].filter(isOfCall).map(spanOf)
  const answers = [...names].filter((name) => !isOfCall(name)).map(responseOf)
  for (const { role, startMs, spanId, traceId, responseId } of await readNamedSpans(db, { ofCalls, answers })) {
    if (role === 'other') continue
    const key: RowKey = [startMs, spanId, traceId]
    push(found, `call ${traceId}-${spanId}`, key)
    if (responseId !== undefined) push(found, `response ${responseId}`, key)
  }
  return found
}

function isOfCall(name: string): boolean {
  return name.startsWith('call ')
}

function spanOf(name: string): [traceId: string, spanId: string] {
  const [traceId = '', spanId = ''] = name.slice('call '.length).split('-')
  return [traceId, spanId]
}

function responseOf(name: string): string {
  return name.slice('response '.length)
}

/** Calls that were written settled: no index leads to them, so the calls are read backwards, as far as it takes. */
async function findSettled(db: Sqlite, events: readonly Naming[]): Promise<Named> {
  const found: Named = new Map()
  let missing = events
  let endMs = events.reduce((latest, { startMs }) => Math.max(latest, startMs), 0) + SKEW_MS + 1
  for (const stepMs of STEPS_MS) {
    if (missing.length === 0) break
    const fromMs = missing.reduce((earliest, { startMs }) => Math.min(earliest, startMs), endMs) - stepMs
    await scan(db, { missing, found, fromMs: Math.min(fromMs, endMs), endMs })
    missing = missing.filter(({ named }) => !found.has(named))
    endMs = Math.min(fromMs, endMs)
  }
  return found
}

async function scan(
  db: Sqlite,
  { missing, found, fromMs, endMs }: { missing: readonly Naming[]; found: Named; fromMs: number; endMs: number },
): Promise<void> {
  const names = new Set(missing.map(({ named }) => named))
  const bySpan = new Map([...names].filter(isOfCall).map((name) => [spanOf(name).toReversed().join(' '), name]))
  const byHash = new Map([...names].filter((name) => !isOfCall(name)).map((name) => [responseHash(responseOf(name)), name]))
  const rows = await readJson<[startMs: number, spanId: string, traceId: string, hash: number | null]>(
    db,
    `SELECT json_group_array(json_array(c.start_ms, lower(hex(c.span_id)), lower(hex(c.trace_id)), c.response_hash)) AS rows
     FROM llm_calls AS c WHERE c.start_ms >= ?1 AND c.start_ms < ?2
       AND (c.span_id IN (SELECT unhex(value) FROM json_each(?3)) OR c.response_hash IN (SELECT value FROM json_each(?4)))`,
    [fromMs, endMs, JSON.stringify([...bySpan.keys()].map((key) => key.split(' ')[0])), JSON.stringify([...byHash.keys()])],
  )
  for (const [startMs, spanId, traceId, hash] of rows) {
    const ofSpan = bySpan.get(`${spanId} ${traceId}`)
    const ofAnswer = hash === null ? undefined : byHash.get(hash)
    for (const name of [ofSpan, ofAnswer]) if (name !== undefined) push(found, name, [startMs, spanId, traceId])
  }
}

async function readCounted(db: Sqlite, keys: readonly RowKey[]): Promise<ReadonlySet<string>> {
  const rows = await readJson<RowKey>(
    db,
    `SELECT json_group_array(json_array(c.start_ms, lower(hex(c.span_id)), lower(hex(c.trace_id)))) AS rows FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2) AND c.counted = 1`,
    [JSON.stringify(keys)],
  )
  return new Set(rows.map((key) => JSON.stringify(key)))
}

/** Whose calls are, as they were said: an alias moves an event along with the call, and back. By the JSON of their keys. */
export async function readCallIdentities(db: Sqlite, keys: readonly RowKey[]): Promise<ReadonlyMap<string, Identity>> {
  const slots = Array.from({ length: 8 }, (_, n) => `c.p${n + 1}`).join(', ')
  const rows = await readJson<[...RowKey, user: string | null, session: string | null, properties: string]>(
    db,
    `SELECT json_group_array(json_array(c.start_ms, lower(hex(c.span_id)), lower(hex(c.trace_id)),
         iif(coalesce(said.user_id, c.user_id) = 0, NULL, u.name), iif(c.session_id = 0, NULL, s.name),
         (SELECT json_group_array(json_array(k.key, k.name, v.value)) FROM property_values AS v JOIN property_keys AS k ON k.key_id = v.key_id
          WHERE v.value_id IN (${slots}) OR v.value_id IN (SELECT sv.value_id FROM segment_values AS sv WHERE sv.segment_id = c.segment_id))
         || '|' || ifnull(c.overflow, '{}'))) AS rows
     FROM (SELECT DISTINCT value->>0 AS start_ms, unhex(value->>1) AS span_id, unhex(value->>2) AS trace_id FROM jsonb_each(?)) AS j
     JOIN llm_calls AS c ON c.start_ms = j.start_ms AND c.span_id = j.span_id AND c.trace_id = j.trace_id
     LEFT JOIN said_users AS said ON said.is_event = 0 AND said.start_ms = c.start_ms AND said.span_id = c.span_id AND said.trace_id = c.trace_id
     JOIN users AS u ON u.user_id = coalesce(said.user_id, c.user_id) JOIN sessions AS s ON s.session_id = c.session_id`,
    [JSON.stringify(keys)],
  )
  return new Map(
    rows.map(([startMs, spanId, traceId, user, session, properties]) => [
      JSON.stringify([startMs, spanId, traceId]),
      { user: user ?? undefined, session: session ?? undefined, properties: readProperties(properties) },
    ]),
  )
}

/** Values by key, then `|`, then those that stand in the call's overflow. */
function readProperties(text: string): Identity['properties'] {
  const at = text.lastIndexOf(']|{')
  const placed = JSON.parse(text.slice(0, at + 1)) as [key: string, name: string, value: string][]
  const overflow = JSON.parse(text.slice(at + 2)) as Record<string, string>
  return new Map([
    ...placed.map(([key, name, value]) => [key, { name, value }] as const),
    ...Object.entries(overflow).map(([key, value]) => [key, { name: key, value }] as const),
  ])
}

/** Whose each session is that events name without a user, where that is one person: whom an alias means, as calls stand there. */
export async function readSessionUsers(db: Sqlite, events: readonly Naming[]): Promise<ReadonlyMap<string, string>> {
  const names = new Set(events.flatMap(({ named }) => (named.startsWith('session ') ? [named.slice('session '.length)] : [])))
  if (names.size === 0) return new Map()
  const rows = await readJson<[session: string, user: string]>(
    db,
    `WITH known (name, user_id) AS (SELECT s.name, (${resolvedUser('s.user_id')}) FROM sessions AS s
       WHERE s.name IN (SELECT value FROM json_each(?)) AND s.user_id <> 0 AND s.first_ms IS NOT NULL)
     SELECT json_group_array(json_array(k.name, u.name)) AS rows
     FROM (SELECT name, min(user_id) AS user_id FROM known GROUP BY name HAVING count(DISTINCT user_id) = 1) AS k
     JOIN users AS u ON u.user_id = k.user_id`,
    [JSON.stringify([...names])],
  )
  return new Map(rows)
}

/** What is known of an event and of the call that it names, where they are of one person: of another's nothing is taken. */
export function withNamed(known: Identity, named: Identity | undefined, areOne: (user: string, other: string) => boolean): Identity {
  if (named === undefined) return known
  if (known.user === undefined || known.user === named.user) return mergeIdentities([known, named])
  if (named.user !== undefined && !areOne(known.user, named.user)) return known
  return named.user === undefined ? known : mergeIdentities([known, named])
}

/** Whether two names are of one person, through aliases. */
export async function readPersons(db: Sqlite, names: readonly string[]): Promise<(user: string, other: string) => boolean> {
  if (names.length === 0) return (user, other) => user === other
  const rows = await readJson<[name: string, person: number]>(
    db,
    `SELECT json_group_array(json_array(u.name, (${resolvedUser('u.user_id')}))) AS rows FROM users AS u WHERE u.name IN (SELECT value FROM json_each(?))`,
    [JSON.stringify(names)],
  )
  const personOf = new Map(rows)
  return (user, other) => user === other || (personOf.has(user) && personOf.get(user) === personOf.get(other))
}

async function readJson<Row>(db: Sqlite, sql: string, values: readonly (string | number)[]): Promise<Row[]> {
  const [row] = await db.all<{ rows: string }>(sql, ...values)
  return JSON.parse(row?.rows ?? '[]') as Row[]
}
