/** What holds for a user rather than for a call: a plan, a segment of the sales team, a region. */
export const traitsSchema = `
  CREATE TABLE trait_keys (
    key_id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
  ) STRICT;

  -- A value holds from valid_from_ms until the next one of the same user and key. 0: ever since.
  CREATE TABLE user_traits (
    user_id INTEGER NOT NULL REFERENCES users,
    key_id INTEGER NOT NULL REFERENCES trait_keys,
    valid_from_ms INTEGER NOT NULL CHECK (valid_from_ms >= 0),
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, key_id, valid_from_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX user_traits_by_key ON user_traits (key_id, valid_from_ms);
  `
