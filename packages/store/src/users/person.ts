import { readId } from '@spanledger/conventions'

import type { Sqlite } from '../sqlite/sqlite.ts'
import { StoreError } from '../sqlite/store-error.ts'
import { resolvedUser } from './resolved-user.ts'

/** All users of the ledger that are one person by the aliases in force. */
export interface Person {
  readonly userIds: readonly number[]
  /** The id that was asked for first, also where the ledger does not know it. */
  readonly names: readonly string[]
}

/** Finds the person whom an id is of. @throws StoreError of kind `refused` for what is no user id */
export async function readPerson(db: Pick<Sqlite, 'all'>, given: string): Promise<Person> {
  const { id } = readId(given)
  if (id === undefined) {
    throw new StoreError('refused', `${JSON.stringify(given)} is no user id: it is empty, a word for none, or holds control characters.`)
  }
  const rows = await db.all<{ user_id: number; name: string }>(
    `WITH RECURSIVE person (user_id) AS (
       SELECT (${resolvedUser('u.user_id')}) FROM users AS u WHERE u.name = ?
       UNION SELECT a.from_user_id FROM person JOIN aliases AS a ON a.to_user_id = person.user_id AND a.undone_ms IS NULL)
     SELECT u.user_id, u.name FROM person JOIN users AS u ON u.user_id = person.user_id ORDER BY u.user_id`,
    id,
  )
  return { userIds: rows.map(({ user_id }) => user_id), names: [...new Set([id, ...rows.map(({ name }) => name)])] }
}
