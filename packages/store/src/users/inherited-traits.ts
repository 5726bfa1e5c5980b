import type { Sqlite } from '../sqlite/sqlite.ts'

/**
 * Traits of users that are aliases, as rows of whom they are: looked up where that user has no value of its own. They are derived:
 * undoing an alias writes them anew, and is exact.
 */
export const inheritedTraitsSchema = `
  -- from_user_id: whose value it was, where that user is an alias of user_id; 0 for a value of the user's own, which comes first.
  CREATE TABLE traits_of_users (
    user_id INTEGER NOT NULL REFERENCES users,
    key_id INTEGER NOT NULL REFERENCES trait_keys,
    from_user_id INTEGER NOT NULL REFERENCES users,
    valid_from_ms INTEGER NOT NULL CHECK (valid_from_ms >= 0),
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, key_id, from_user_id, valid_from_ms)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO traits_of_users SELECT user_id, key_id, 0, valid_from_ms, value FROM user_traits;
  DROP TABLE user_traits;
  ALTER TABLE traits_of_users RENAME TO user_traits;
  CREATE INDEX user_traits_by_key ON user_traits (key_id, valid_from_ms);
  INSERT INTO user_traits (user_id, key_id, from_user_id, valid_from_ms, value)
    WITH RECURSIVE meant (from_user_id, to_user_id) AS (
      SELECT from_user_id, to_user_id FROM aliases WHERE undone_ms IS NULL
      UNION
      SELECT m.from_user_id, a.to_user_id FROM meant AS m JOIN aliases AS a ON a.from_user_id = m.to_user_id AND a.undone_ms IS NULL)
    SELECT m.to_user_id, t.key_id, m.from_user_id, t.valid_from_ms, t.value FROM meant AS m
    JOIN user_traits AS t ON t.user_id = m.from_user_id AND t.from_user_id = 0
    WHERE NOT EXISTS (SELECT 1 FROM aliases AS a WHERE a.from_user_id = m.to_user_id AND a.undone_ms IS NULL);
  `

/** What users inherit (`?1`: their ids as JSON): nothing where they are aliases themselves. */
const inherited = `WITH RECURSIVE same (root, user_id) AS (
    SELECT u.user_id, u.user_id FROM json_each(?1) AS j JOIN users AS u ON u.user_id = j.value
    WHERE NOT EXISTS (SELECT 1 FROM aliases AS a WHERE a.from_user_id = u.user_id AND a.undone_ms IS NULL)
    UNION
    SELECT same.root, a.from_user_id FROM same JOIN aliases AS a ON a.to_user_id = same.user_id AND a.undone_ms IS NULL)
  SELECT same.root, t.key_id, same.user_id, t.valid_from_ms, t.value
  FROM same CROSS JOIN user_traits AS t ON t.user_id = same.user_id AND t.from_user_id = 0 WHERE same.user_id <> same.root`

/** Writes anew what users inherit from those who are aliases of them. Inside a transaction. */
export async function inheritTraits(db: Sqlite, userIds: readonly number[]): Promise<void> {
  const ids = JSON.stringify(userIds)
  await db.run('DELETE FROM user_traits WHERE from_user_id <> 0 AND user_id IN (SELECT value FROM json_each(?))', ids)
  await db.run(`INSERT INTO user_traits (user_id, key_id, from_user_id, valid_from_ms, value) ${inherited}`, ids)
}

/** How many inherited traits are missing, or are nobody's. */
export async function countInheritedFaults(db: Sqlite): Promise<number> {
  const [all] = await db.all<{ ids: string }>('SELECT json_group_array(user_id) AS ids FROM users')
  const kept = 'SELECT user_id, key_id, from_user_id, valid_from_ms, value FROM user_traits WHERE from_user_id <> 0'
  const [row] = await db.all<{ faults: number }>(
    `SELECT (SELECT count(*) FROM (SELECT * FROM (${inherited}) EXCEPT ${kept})) + (SELECT count(*) FROM (${kept} EXCEPT SELECT * FROM (${inherited}))) AS faults`,
    all?.ids ?? '[]',
  )
  return row?.faults ?? 0
}
