import { createHmac, randomBytes } from 'node:crypto'

import type { Identity } from '@spanledger/conventions'

import type { Batch, SpanLink, WrittenCall, WrittenEvent } from '../batch.ts'
import { withheldIdentity } from '../names/withheld-identity.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { readPerson } from './person.ts'

/** The entry of `meta` with the key that ids are hashed by. */
const KEY = 'withheld_key'
/** Hashes that are remembered: a busy ledger meets the same ids again. */
const MAX_REMEMBERED = 20_000

/** What an opt-out, or the end of one, did. */
export interface OptOutOutcome {
  /** False where it was so already. */
  readonly changed: boolean
  /** By how many ids the person is known, aliases too. */
  readonly ids: number
}

export interface OptOut {
  /** The first 12 hex digits of the hash of the id: the id itself is not kept. */
  readonly id: string
  readonly sinceMs: number
}

/** From now on keeps nothing of a person but that calls were made. Inside a transaction. @throws StoreError for what is no user id */
export async function optOut(db: Sqlite, user: string, nowMs: number): Promise<OptOutOutcome> {
  const { names } = await readPerson(db, user)
  return { changed: (await withhold(db, names, { reason: 'opted_out', sinceMs: nowMs })) > 0, ids: names.length }
}

/** Keeps what comes of a person again. Inside a transaction. @throws StoreError for what is no user id */
export async function optIn(db: Sqlite, user: string): Promise<OptOutOutcome> {
  const { names } = await readPerson(db, user)
  const hashes = await hashesOf(db, names)
  const deleted = await db.run(
    `DELETE FROM withheld_users WHERE reason = 'opted_out' AND user_hash IN (SELECT unhex(value) FROM json_each(?))`,
    JSON.stringify(hashes),
  )
  return { changed: deleted > 0, ids: names.length }
}

/** Since when a user has opted out; undefined where it has not. @throws StoreError for what is no user id */
export async function readOptOut(db: Pick<Sqlite, 'all'>, user: string): Promise<number | undefined> {
  const { names } = await readPerson(db, user)
  const key = await readKey(db)
  if (key === undefined) return undefined
  const found = await findHashes(
    db,
    names.map((name) => hashOf(name, key)),
  )
  return found.find(({ reason }) => reason === 'opted_out')?.since_ms
}

/** All that are in force, the latest first. */
export async function readOptOuts(read: <Row>(sql: string) => Promise<Row[]>): Promise<OptOut[]> {
  return read<OptOut>(
    `SELECT substr(lower(hex(user_hash)), 1, 12) AS id, since_ms AS sinceMs FROM withheld_users WHERE reason = 'opted_out' ORDER BY since_ms DESC, user_hash`,
  )
}

/** Of users that have become one person none is known while one has opted out. Inside a transaction. */
export async function spreadOptOut(db: Sqlite, user: string): Promise<void> {
  const sinceMs = await readOptOut(db, user)
  if (sinceMs === undefined) return
  const { names } = await readPerson(db, user)
  await withhold(db, names, { reason: 'opted_out', sinceMs })
}

/** Remembers that nothing of users is to be known. Inside a transaction. @returns of how many it was not yet so */
export async function withhold(
  db: Sqlite,
  names: readonly string[],
  { reason, sinceMs }: { readonly reason: 'erased' | 'opted_out'; readonly sinceMs: number },
): Promise<number> {
  const later = reason === 'erased' ? 'DO UPDATE SET since_ms = excluded.since_ms' : 'DO NOTHING'
  return db.run(
    `INSERT INTO withheld_users (user_hash, reason, since_ms) SELECT unhex(value), ?, CAST(? AS INTEGER) FROM json_each(?) WHERE true
     ON CONFLICT (user_hash, reason) ${later}`,
    reason,
    String(sinceMs),
    JSON.stringify(await hashesOf(db, names)),
  )
}

/**
 * A batch without what it says of users who are withheld: their calls are nobody's, their spans say that, and of their events only
 * payments stay. The batch itself where it is of nobody such. Inside its transaction.
 */
export async function withoutWithheld(db: Sqlite, batch: Batch): Promise<Batch> {
  const users = usersOf(batch)
  const key = users.length === 0 ? undefined : await readKey(db)
  if (key === undefined) return batch
  const untilMs = await readUntil(db, users, key)
  if (untilMs.size === 0) return batch
  const list: WithheldList = {
    key,
    has: (identity, startMs) => identity?.user !== undefined && startMs < (untilMs.get(identity.user) ?? 0),
  }
  const { calls, links, events } = batch
  return {
    ...batch,
    calls: calls.map((call) => callWithout(list, call)),
    ...(links === undefined ? {} : { links: links.map((link) => linkWithout(list, link)) }),
    ...(events === undefined ? {} : { events: events.flatMap((event) => eventWithout(list, event) ?? []) }),
  }
}

interface WithheldList {
  readonly key: string
  /** Whether what began at an instant is of a user who is withheld. */
  has(identity: Identity | undefined, startMs: number): boolean
}

/** By user until when what begins is withheld. */
async function readUntil(db: Sqlite, users: readonly string[], key: string): Promise<ReadonlyMap<string, number>> {
  const nameOf = new Map(users.map((user) => [hashOf(user, key), user]))
  const untilMs = new Map<string, number>()
  for (const { hash, reason, since_ms } of await findHashes(db, [...nameOf.keys()])) {
    const user = nameOf.get(hash) ?? ''
    untilMs.set(user, reason === 'opted_out' ? Number.POSITIVE_INFINITY : Math.max(since_ms, untilMs.get(user) ?? 0))
  }
  return untilMs
}

function callWithout(list: WithheldList, call: WrittenCall): WrittenCall {
  const resourceIdentity = list.has(call.resourceIdentity, call.startMs) ? withheldIdentity : call.resourceIdentity
  if (list.has(call, call.startMs)) return { ...call, ...withheldIdentity, resourceIdentity, fingerprint: undefined }
  return resourceIdentity === call.resourceIdentity ? call : { ...call, resourceIdentity }
}

function linkWithout(list: WithheldList, link: SpanLink): SpanLink {
  const { identity, resourceIdentity, startMs } = link
  if (!list.has(identity, startMs) && !list.has(resourceIdentity, startMs)) return link
  return {
    ...link,
    identity: list.has(identity, startMs) ? withheldIdentity : identity,
    resourceIdentity: list.has(resourceIdentity, startMs) ? withheldIdentity : resourceIdentity,
  }
}

function eventWithout(list: WithheldList, event: WrittenEvent): WrittenEvent | undefined {
  const { user, target, startMs } = event
  const resourceIdentity = list.has(event.resourceIdentity, startMs) ? withheldIdentity : event.resourceIdentity
  if (!list.has(event, startMs)) return resourceIdentity === event.resourceIdentity ? event : { ...event, resourceIdentity }
  if (event.kind !== 'revenue') return undefined
  const named = target?.kind === 'entry' ? { kind: target.kind, id: withheldEntry(user ?? '', target.id, list.key) } : target
  return { ...event, ...withheldIdentity, resourceIdentity, target: named, task: undefined, step: undefined }
}

/**
 * What an entry of a user, such as an invoice, is called once it is nobody's: corrections still find it, entries of that name of others
 * stay others, and two of one user have nothing in common.
 */
export function withheldEntry(user: string, entry: string, key: string): string {
  return `withheld:${hashOf(`${user}\n${entry}`, key).slice(0, 32)}`
}

/** Whom a batch names, each once. */
function usersOf({ calls, links = [], events = [] }: Batch): string[] {
  const users = new Set<string>()
  const add = (identity: Identity | undefined): void => {
    if (identity?.user !== undefined) users.add(identity.user)
  }
  for (const call of calls) {
    add(call)
    add(call.resourceIdentity)
  }
  for (const { identity, resourceIdentity } of links) {
    add(identity)
    add(resourceIdentity)
  }
  for (const event of events) {
    add(event)
    add(event.resourceIdentity)
  }
  return [...users]
}

interface Found {
  readonly hash: string
  readonly reason: 'erased' | 'opted_out'
  readonly since_ms: number
}

async function findHashes(db: Pick<Sqlite, 'all'>, hashes: readonly string[]): Promise<Found[]> {
  return db.all<Found>(
    `SELECT lower(hex(w.user_hash)) AS hash, w.reason, w.since_ms FROM json_each(?) AS j CROSS JOIN withheld_users AS w ON w.user_hash = unhex(j.value)`,
    JSON.stringify(hashes),
  )
}

async function hashesOf(db: Sqlite, names: readonly string[]): Promise<string[]> {
  await db.run('INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)', KEY, randomBytes(32).toString('hex'))
  const key = (await readKey(db)) ?? ''
  return names.map((name) => hashOf(name, key))
}

/** The key of this ledger; undefined where nobody was ever withheld. */
export async function readKey(db: Pick<Sqlite, 'all'>): Promise<string | undefined> {
  const [row] = await db.all<{ value: string }>('SELECT value FROM meta WHERE key = ?', KEY)
  return row?.value
}

const remembered = new Map<string, string>()

/** Who has the file has the key too, and can try ids: the hash keeps them from being read off, not from being guessed. */
function hashOf(name: string, key: string): string {
  const asked = `${key} ${name}`
  let hash = remembered.get(asked)
  if (hash === undefined) {
    hash = createHmac('sha256', Buffer.from(key, 'hex')).update(name).digest('hex')
    if (remembered.size >= MAX_REMEMBERED) remembered.clear()
    remembered.set(asked, hash)
  }
  return hash
}
