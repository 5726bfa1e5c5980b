/** How spans of trace_spans are found. */
export const spanKeysSchema = `
  DROP INDEX trace_spans_by_span;
  DROP INDEX trace_spans_by_parent;
  DROP INDEX trace_spans_by_response;

  -- Under which keys a span is looked for: numbers made from its ids (span-keys.ts), so in random order. span: its number.
  -- What is new stands in young_span_keys, which is small: there a random place is near the last one. Its rows move on many at
  -- a time and side by side, so that they touch a page of the large table once.
  CREATE TABLE span_keys (
    key INTEGER NOT NULL,
    span INTEGER NOT NULL,
    PRIMARY KEY (key, span)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE young_span_keys (
    key INTEGER NOT NULL,
    span INTEGER NOT NULL,
    PRIMARY KEY (key, span)
  ) STRICT, WITHOUT ROWID;
`

/**
 * Numbers of rows that stay: those of a table without such a column are given anew by VACUUM, and keys would
 * lead elsewhere. The keys of all rows are made anew in the same transaction, see migrate.ts.
 */
export const spanNumbersSchema = `
  CREATE TABLE numbered_spans (
    number INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    start_ms INTEGER NOT NULL,
    parent_span_id BLOB,
    role TEXT NOT NULL CHECK (role IN ('other', 'call', 'aggregate')),
    has_usage INTEGER NOT NULL CHECK (has_usage IN (0, 1)),
    response_id TEXT,
    identity TEXT,
    resource_identity TEXT,
    seen_day INTEGER NOT NULL,
    provider TEXT,
    duration_ms INTEGER
  ) STRICT;
  INSERT INTO numbered_spans
    SELECT rowid, trace_id, span_id, start_ms, parent_span_id, role, has_usage, response_id, identity, resource_identity, seen_day, provider, duration_ms
    FROM trace_spans ORDER BY rowid;
  DROP TABLE trace_spans;
  ALTER TABLE numbered_spans RENAME TO trace_spans;
`
