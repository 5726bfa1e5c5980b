/** Events that name a call, its answer or a session wait for it, and take over whose it is. */
export const namedCallsSchema = `
  -- 48 bits of the response id of a call that is not among the spans of trace_spans: what an event may name it by.
  ALTER TABLE llm_calls ADD COLUMN response_hash INTEGER;

  -- Events of which it may still turn out whose they are: by the spans above, or by what they name. named: 'call <trace>-<span>',
  -- 'response <id>', or 'session <id>' of an event without a user. named_call: the call that was found, as [start, span, trace].
  CREATE TABLE waiting_events (
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    start_ms INTEGER NOT NULL,
    parent_span_id BLOB,
    identity TEXT NOT NULL,
    resource_identity TEXT,
    seen_day INTEGER NOT NULL,
    named TEXT,
    named_call TEXT,
    PRIMARY KEY (trace_id, span_id, start_ms)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO waiting_events (trace_id, span_id, start_ms, parent_span_id, identity, resource_identity, seen_day)
    SELECT trace_id, span_id, start_ms, parent_span_id, identity, resource_identity, seen_day FROM open_events;
  DROP TABLE open_events;
  ALTER TABLE waiting_events RENAME TO open_events;
  CREATE INDEX open_events_by_day ON open_events (seen_day);
  CREATE INDEX open_events_by_named ON open_events (named) WHERE named IS NOT NULL;
  `
