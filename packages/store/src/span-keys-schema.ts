/** How spans of trace_spans are found; rows that were there before get their keys in the same transaction, see migrate.ts. */
export const spanKeysSchema = `
  DROP INDEX trace_spans_by_span;
  DROP INDEX trace_spans_by_parent;
  DROP INDEX trace_spans_by_response;

  -- Under which keys a span is looked for: numbers made from its ids (span-keys.ts), so in random order. span: its rowid.
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
