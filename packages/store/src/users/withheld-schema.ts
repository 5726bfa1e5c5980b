/** Users of whom nothing is kept: those who opted out, and those who were erased. */
export const withheldSchema = `
  -- user_hash: HMAC-SHA-256 of the id, by a key of this file, so that the list does not name them. since_ms of 'erased': what began before
  -- is withheld, whenever it comes; of 'opted_out' all is that comes while the row is here.
  CREATE TABLE withheld_users (
    user_hash BLOB NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('erased', 'opted_out')),
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (user_hash, reason)
  ) STRICT, WITHOUT ROWID;

  -- What was erased, and never whose it was. ids: by how many ids the person was known.
  CREATE TABLE erasures (
    erasure_id INTEGER PRIMARY KEY,
    erased_ms INTEGER NOT NULL,
    ids INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    events INTEGER NOT NULL,
    payments INTEGER NOT NULL,
    traits INTEGER NOT NULL
  ) STRICT;
  `
