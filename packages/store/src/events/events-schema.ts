/** Events beside calls: feedback, goals, payments, … What each column holds for each kind says `LedgerEvent`. */
export const eventsSchema = `
  -- What an event is an instance of.
  CREATE TABLE event_subjects (
    subject_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('human', 'heuristic', 'judge')),
    origin TEXT NOT NULL CHECK (origin IN ('app', 'otlp', 'import', 'sample')),
    UNIQUE (kind, name, source, origin)
  ) STRICT;

  -- One row an event; the key is what makes it count once. start_fraction: 1/1024 ms after start_ms, so that of two within one
  -- millisecond the later is the latest. target: what target_kind names; '' where that is the event's session, user, or itself.
  -- NULL: nothing said, or what was said was refused. Properties stand where those of calls do.
  CREATE TABLE events (
    start_ms INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    start_fraction INTEGER NOT NULL CHECK (start_fraction BETWEEN 0 AND 1023),
    subject_id INTEGER NOT NULL REFERENCES event_subjects,
    user_id INTEGER NOT NULL REFERENCES users,
    session_id INTEGER NOT NULL REFERENCES sessions,
    segment_id INTEGER NOT NULL REFERENCES segments,
    target_kind TEXT NOT NULL CHECK (target_kind IN ('call', 'response', 'task', 'entry', 'session', 'user', 'itself')),
    target TEXT NOT NULL,
    outcome TEXT,
    previous TEXT,
    value REAL,
    min REAL,
    max REAL,
    amount_nano_usd INTEGER CHECK (amount_nano_usd BETWEEN -9007199254740991 AND 9007199254740991),
    task TEXT,
    step TEXT,
    period TEXT,
    p1 INTEGER, p2 INTEGER, p3 INTEGER, p4 INTEGER, p5 INTEGER, p6 INTEGER, p7 INTEGER, p8 INTEGER,
    overflow TEXT,
    PRIMARY KEY (start_ms, span_id, trace_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX events_by_subject ON events (subject_id, start_ms);

  -- Events whose trace may still say whose they are: what they say themselves, for as long as the spans of the trace are kept.
  CREATE TABLE open_events (
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    start_ms INTEGER NOT NULL,
    parent_span_id BLOB NOT NULL,
    identity TEXT NOT NULL,
    resource_identity TEXT,
    seen_day INTEGER NOT NULL,
    PRIMARY KEY (trace_id, span_id, start_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX open_events_by_day ON open_events (seen_day);
  `
