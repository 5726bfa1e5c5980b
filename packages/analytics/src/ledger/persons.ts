import type { Store } from '@spanledger/store'

import { sql, type Fragment } from './fragment.ts'
import { readRows } from './snapshot.ts'

/**
 * The ids of users of whom a test of the name (`t.name`) or of one of their aliases holds: calls stand under whom an alias
 * means, and people look for either.
 */
export function personsSql(test: Fragment): Fragment {
  return sql`(WITH RECURSIVE named (user_id) AS (
    SELECT t.user_id FROM users AS t WHERE t.user_id <> 0 AND ${test}
    UNION
    SELECT a.to_user_id FROM named JOIN aliases AS a ON a.from_user_id = named.user_id AND a.undone_ms IS NULL)
    SELECT user_id FROM named)`
}

/** The ids of those users. */
export async function readPersons(store: Store, test: Fragment): Promise<ReadonlySet<number>> {
  const { text, values } = personsSql(test)
  return new Set(await readRows<number>(store, { text: `SELECT json_group_array(user_id) AS rows FROM ${text}`, values }))
}

/** Each alias in force, and the name of whom it means in the end. */
export async function readAliasNames(store: Store): Promise<readonly (readonly [alias: string, name: string])[]> {
  return readRows(store, {
    text: `WITH RECURSIVE meant (from_user_id, to_user_id) AS (
        SELECT from_user_id, to_user_id FROM aliases WHERE undone_ms IS NULL
        UNION
        SELECT m.from_user_id, a.to_user_id FROM meant AS m JOIN aliases AS a ON a.from_user_id = m.to_user_id AND a.undone_ms IS NULL)
      SELECT json_group_array(json_array(f.name, t.name)) AS rows
      FROM meant AS m JOIN users AS f ON f.user_id = m.from_user_id JOIN users AS t ON t.user_id = m.to_user_id
      WHERE NOT EXISTS (SELECT 1 FROM aliases AS a WHERE a.from_user_id = m.to_user_id AND a.undone_ms IS NULL)`,
    values: [],
  })
}
