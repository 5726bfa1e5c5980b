/** Users who are the same person, and whose calls are kept under one of their names. */
export const aliasesSchema = `
  -- Every alias ever made, and taken back: the audit. In force while undone_ms is NULL; then no call stands under from_user_id.
  CREATE TABLE aliases (
    alias_id INTEGER PRIMARY KEY,
    from_user_id INTEGER NOT NULL REFERENCES users,
    to_user_id INTEGER NOT NULL REFERENCES users,
    made_ms INTEGER NOT NULL,
    undone_ms INTEGER,
    CHECK (from_user_id <> to_user_id)
  ) STRICT;
  CREATE UNIQUE INDEX aliases_in_force ON aliases (from_user_id) WHERE undone_ms IS NULL;

  -- Calls and events that stand under another user than they said: whom they said. Without it an alias could not be taken back.
  CREATE TABLE said_users (
    start_ms INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    is_event INTEGER NOT NULL CHECK (is_event IN (0, 1)),
    user_id INTEGER NOT NULL REFERENCES users,
    PRIMARY KEY (start_ms, span_id, trace_id, is_event)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX said_users_by_user ON said_users (user_id);
  `
