import { readId, readProperties } from '@spanledger/conventions'

import { inheritTraits } from './inherited-traits.ts'
import { resolvedUser } from './resolved-user.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/** A trait of a user, as it is given. */
export interface Trait {
  readonly user: string
  readonly name: string
  readonly value: string
  /** From when on it holds. Undefined: ever since, for the first value known of the user; else from now on, where it is another. */
  readonly validFromMs?: number | undefined
}

export interface TraitsOutcome {
  /** Values that were not in the ledger before, or that replace one of the same instant. */
  readonly written: number
  /** Values that were known already. */
  readonly unchanged: number
  /** Traits with no user id, name or instant that could be kept. */
  readonly refused: number
}

/** A trait that some users have. */
export interface KnownTrait {
  readonly name: string
  readonly users: number
  /** Different values that some user has or had. */
  readonly values: number
  /** The latest instant from which a value holds; 0 where all hold ever since. */
  readonly lastValidFromMs: number
}

/** Every trait, by name. */
export async function readTraits(read: <Row>(sql: string) => Promise<Row[]>): Promise<KnownTrait[]> {
  return read<KnownTrait>(
    `SELECT k.name, count(DISTINCT t.user_id) AS users, count(DISTINCT t.value) AS "values", coalesce(max(t.valid_from_ms), 0) AS lastValidFromMs
     FROM trait_keys AS k LEFT JOIN user_traits AS t ON t.key_id = k.key_id AND t.from_user_id = 0 GROUP BY k.key_id ORDER BY k.key`,
  )
}

interface Checked {
  readonly user: string
  readonly key: string
  readonly name: string
  readonly value: string
  readonly validFromMs: number | null
}

/** Instants beyond these are no clock's answer. */
const MAX_VALID_FROM_MS = Date.UTC(2200, 0, 1)

/** Writes traits, those of one user and name in the order of their instants. Inside a transaction. */
export async function writeTraits(db: Sqlite, traits: readonly Trait[], nowMs: number): Promise<TraitsOutcome> {
  const checked = traits.flatMap((trait) => check(trait) ?? [])
  if (checked.length === 0) return { written: 0, unchanged: 0, refused: traits.length }
  await db.run(
    'INSERT OR IGNORE INTO users (name) SELECT value FROM json_each(?)',
    list(checked, ({ user }) => user),
  )
  await db.run(
    'INSERT OR IGNORE INTO trait_keys (key, name) SELECT value->>0, value->>1 FROM jsonb_each(?)',
    list(checked, ({ key, name }) => [key, name]),
  )
  // The first that is known of a user and name has no instant before which it did not hold.
  const written = await db.run(
    `WITH given AS (
       SELECT u.user_id, k.key_id, j.value->>2 AS value, j.key AS place,
         coalesce(j.value->>3, iif(EXISTS (SELECT 1 FROM user_traits AS t WHERE t.user_id = u.user_id AND t.key_id = k.key_id AND t.from_user_id = 0), CAST(?2 AS INTEGER), 0)) AS valid_from_ms,
         j.value->>3 IS NULL AS is_now
       FROM jsonb_each(?1) AS j JOIN users AS u ON u.name = j.value->>0 JOIN trait_keys AS k ON k.key = j.value->>1)
     INSERT INTO user_traits (user_id, key_id, from_user_id, valid_from_ms, value)
     SELECT g.user_id, g.key_id, 0, g.valid_from_ms, g.value FROM given AS g
     WHERE NOT (g.is_now AND g.value IS (SELECT t.value FROM user_traits AS t WHERE t.user_id = g.user_id AND t.key_id = g.key_id
       AND t.from_user_id = 0 AND t.valid_from_ms <= CAST(?2 AS INTEGER) ORDER BY t.valid_from_ms DESC LIMIT 1))
     ORDER BY g.place
     ON CONFLICT (user_id, key_id, from_user_id, valid_from_ms) DO UPDATE SET value = excluded.value WHERE value <> excluded.value`,
    JSON.stringify(checked.map(({ user, key, value, validFromMs }) => [user, key, value, validFromMs])),
    String(nowMs),
  )
  if (written > 0)
    await inheritFrom(
      db,
      list(checked, ({ user }) => user),
    )
  return { written, unchanged: checked.length - written, refused: traits.length - checked.length }
}

/** What users got who are aliases, those have whom they are. */
async function inheritFrom(db: Sqlite, names: string): Promise<void> {
  const heirs = await db.all<{ id: number }>(
    `SELECT DISTINCT (${resolvedUser('u.user_id')}) AS id FROM json_each(?) AS j JOIN users AS u ON u.name = j.value
     JOIN aliases AS a ON a.from_user_id = u.user_id AND a.undone_ms IS NULL`,
    names,
  )
  if (heirs.length > 0)
    await inheritTraits(
      db,
      heirs.map(({ id }) => id),
    )
}

function list<Of>(items: readonly Of[], read: (item: Of) => unknown): string {
  return JSON.stringify([...new Map(items.map((item) => [JSON.stringify(read(item)), read(item)])).values()])
}

/** A trait by the rules of users and properties; undefined where it cannot be kept. */
function check({ user, name, value, validFromMs }: Trait): Checked | undefined {
  const { id } = readId(user)
  const [[key, property] = []] = readProperties([[name, value]]).properties
  if (id === undefined || key === undefined || property === undefined) return undefined
  if (validFromMs !== undefined && !(validFromMs >= 0 && validFromMs < MAX_VALID_FROM_MS)) return undefined
  return {
    user: id,
    key,
    name: property.name,
    value: property.value,
    validFromMs: validFromMs === undefined ? null : Math.floor(validFromMs),
  }
}
