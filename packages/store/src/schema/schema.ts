import { aliasesSchema } from '../users/aliases-schema.ts'
import { closedDaysSchema } from '../days/closed-days-schema.ts'
import { dayGroupsSchema } from '../days/day-groups-schema.ts'
import { eventsSchema } from '../events/events-schema.ts'
import { inheritedTraitsSchema } from '../users/inherited-traits.ts'
import { namedCallsSchema } from '../events/named-calls-schema.ts'
import { dayUsageSchema, dayWaitsSchema, keptSchema, slimSessionsSchema } from '../sessions/kept-schema.ts'
import { rateLimitedSchema } from '../rollups/rate-limited.ts'
import { repeatsSchema } from '../write/repeats.ts'
import { slimUsersSchema } from '../rollups/rollup-users-schema.ts'
import { savedSchema } from '../write/saved.ts'
import { firstMeasures, usageColumns } from '../rollups/measures.ts'
import { slimSessionNamesSchema } from '../rollups/sessions.ts'
import { spanKeysSchema, spanNumbersSchema } from '../traces/span-keys-schema.ts'
import { withheldSchema } from '../users/withheld-schema.ts'
import { traitsSchema } from '../users/traits-schema.ts'

/**
 * The schema, step by step; step n takes a file from version n to n + 1. Steps are only ever appended: a file of any age
 * is brought up to date by running those it lacks, each in a transaction of its own together with the new version number.
 *
 * Names that repeat (users, models, property values, …) are interned: a call holds small integers. Id 0 always means
 * "none", so that keys never hold NULL.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;
  INSERT INTO users (user_id, name) VALUES (0, '(none)');

  -- A session belongs to a user: two users may both have a session "1". first_ms and last_ms are the starts of its first and
  -- last counted call, NULL where it has none.
  CREATE TABLE sessions (
    session_id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users,
    name TEXT NOT NULL,
    first_ms INTEGER,
    last_ms INTEGER,
    UNIQUE (user_id, name)
  ) STRICT;
  INSERT INTO sessions (session_id, user_id, name) VALUES (0, 0, '(none)');

  CREATE TABLE models (
    model_id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    model TEXT NOT NULL,
    UNIQUE (provider, requested_model, model)
  ) STRICT;

  -- What a call was, in the words that few values cover. Empty text is "nothing said".
  CREATE TABLE kinds (
    kind_id INTEGER PRIMARY KEY,
    operation TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'error', 'cancelled')),
    error_class TEXT NOT NULL,
    error_type TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    service_tier TEXT NOT NULL,
    streamed INTEGER NOT NULL CHECK (streamed IN (0, 1)),
    usage_quality TEXT NOT NULL CHECK (usage_quality IN ('reported', 'partial', 'estimated', 'missing')),
    origin TEXT NOT NULL CHECK (origin IN ('app', 'otlp', 'import', 'sample')),
    UNIQUE (operation, status, error_class, error_type, finish_reason, service_tier, streamed, usage_quality, origin)
  ) STRICT;

  -- The price a call was costed with, or the reason why it has none; JSON.
  CREATE TABLE prices (
    price_id INTEGER PRIMARY KEY,
    price TEXT NOT NULL UNIQUE
  ) STRICT;

  -- place: where the values of a key are kept: in the interned set of the call (few values), in slot p1..p8 (many), or as
  -- text in the call's overflow (very many, or no slot left). A key moves that way only; older calls stay where they are.
  CREATE TABLE property_keys (
    key_id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    place TEXT NOT NULL DEFAULT 'segment' CHECK (place IN ('segment', 'slot', 'overflow')),
    slot INTEGER UNIQUE CHECK (slot BETWEEN 1 AND 8),
    value_count INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE property_values (
    value_id INTEGER PRIMARY KEY,
    key_id INTEGER NOT NULL REFERENCES property_keys,
    value TEXT NOT NULL,
    UNIQUE (key_id, value)
  ) STRICT;

  -- A set of property values with few values each; value_ids in ascending order, separated by commas.
  CREATE TABLE segments (
    segment_id INTEGER PRIMARY KEY,
    value_ids TEXT NOT NULL UNIQUE
  ) STRICT;
  INSERT INTO segments VALUES (0, '');

  CREATE TABLE segment_values (
    segment_id INTEGER NOT NULL REFERENCES segments,
    key_id INTEGER NOT NULL REFERENCES property_keys,
    value_id INTEGER NOT NULL REFERENCES property_values,
    PRIMARY KEY (segment_id, key_id)
  ) STRICT, WITHOUT ROWID;

  -- One line of the ledger each. Ordered by start, so that new calls are appended; the key is what makes a call count once.
  -- counted = 0: a span that repeats what another call of its trace has (a wrapper, a second copy of one answer).
  -- cost_nano_usd NULL: unpriced, the reason stands in prices. Token columns are 0 where kinds.usage_quality is 'missing'.
  CREATE TABLE llm_calls (
    start_ms INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users,
    session_id INTEGER NOT NULL REFERENCES sessions,
    model_id INTEGER NOT NULL REFERENCES models,
    kind_id INTEGER NOT NULL REFERENCES kinds,
    price_id INTEGER NOT NULL REFERENCES prices,
    segment_id INTEGER NOT NULL REFERENCES segments,
    counted INTEGER NOT NULL CHECK (counted IN (0, 1)),
    latency_ms INTEGER NOT NULL CHECK (latency_ms >= 0),
    ttft_ms INTEGER CHECK (ttft_ms >= 0),
    cost_nano_usd INTEGER CHECK (cost_nano_usd BETWEEN 0 AND 9007199254740991),
    reported_cost_nano_usd INTEGER CHECK (reported_cost_nano_usd BETWEEN 0 AND 9007199254740991),
    ${Object.values(usageColumns)
      .map((column) => `${column} INTEGER NOT NULL CHECK (${column} >= 0)`)
      .join(',\n    ')},
    p1 INTEGER, p2 INTEGER, p3 INTEGER, p4 INTEGER, p5 INTEGER, p6 INTEGER, p7 INTEGER, p8 INTEGER,
    overflow TEXT,
    parts TEXT,
    PRIMARY KEY (start_ms, span_id, trace_id)
  ) STRICT, WITHOUT ROWID;
  -- No index by user: it would cost 43 B and a page of log a call. rollup_users says on which days a user called; only those
  -- days are read.

  -- Spans whose trace may still grow: enough of each to decide again which calls count, and for whom.
  CREATE TABLE trace_spans (
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
    PRIMARY KEY (trace_id, span_id, start_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX trace_spans_by_day ON trace_spans (seen_day);
  CREATE INDEX trace_spans_by_parent ON trace_spans (trace_id, parent_span_id) WHERE parent_span_id IS NOT NULL;
  CREATE INDEX trace_spans_by_response ON trace_spans (trace_id, response_id) WHERE response_id IS NOT NULL;

  -- Sums by day (bucket 20260131) and by month (bucket 20260100) of the reporting zone. latency, ttft: counts by bucket of
  -- a logarithmic histogram; models, features: counts by model_id, by value_id of property "feature"; see counts.ts.
  -- first_ms, last_ms: the starts of the first and last call in the bucket. The months of users have no packed counts.
  CREATE TABLE rollup_users (
    bucket INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    ${firstMeasures.map((column) => `${column} INTEGER NOT NULL`).join(', ')},
    active_days INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    latency BLOB NOT NULL,
    ttft BLOB NOT NULL,
    models BLOB NOT NULL,
    features BLOB NOT NULL,
    PRIMARY KEY (bucket, user_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE rollup_models (
    bucket INTEGER NOT NULL,
    model_id INTEGER NOT NULL,
    ${firstMeasures.map((column) => `${column} INTEGER NOT NULL`).join(', ')},
    latency BLOB NOT NULL,
    ttft BLOB NOT NULL,
    PRIMARY KEY (bucket, model_id)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- A repricing gave calls the cost and price of another price book. The sums are over its calls that count, as far as it has
  -- come: it runs in steps, and what one step did is committed with it. finished_ms NULL: still running, or interrupted.
  CREATE TABLE repricings (
    repricing_id INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    undo_started_ms INTEGER,
    undone_ms INTEGER,
    scope TEXT NOT NULL,
    price_source TEXT NOT NULL,
    calls_changed INTEGER NOT NULL,
    newly_priced INTEGER NOT NULL,
    newly_unpriced INTEGER NOT NULL,
    cost_before_nano_usd INTEGER NOT NULL,
    cost_after_nano_usd INTEGER NOT NULL
  ) STRICT;

  -- What each call had before, and what it was given.
  CREATE TABLE repriced_calls (
    repricing_id INTEGER NOT NULL REFERENCES repricings,
    start_ms INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    old_cost_nano_usd INTEGER,
    old_price_id INTEGER NOT NULL REFERENCES prices,
    new_cost_nano_usd INTEGER,
    new_price_id INTEGER NOT NULL REFERENCES prices,
    PRIMARY KEY (repricing_id, start_ms, span_id, trace_id)
  ) STRICT, WITHOUT ROWID;
  `,
  eventsSchema,
  savedSchema,
  aliasesSchema,
  rateLimitedSchema,
  `
  -- One answer may be reported in several traces: by an app's SDK and by the gateway that it waits for.
  ALTER TABLE trace_spans ADD COLUMN provider TEXT;
  ALTER TABLE trace_spans ADD COLUMN duration_ms INTEGER;
  DROP INDEX trace_spans_by_response;
  CREATE INDEX trace_spans_by_response ON trace_spans (response_id, trace_id) WHERE response_id IS NOT NULL;
  `,
  `
  -- Rows in the order in which spans were seen, so that those to be forgotten are in front. All that leads to them is in order
  -- of ids, which are random: each index costs a page of log a span.
  CREATE TABLE seen_spans (
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
  INSERT INTO seen_spans
    SELECT trace_id, span_id, start_ms, parent_span_id, role, has_usage, response_id, identity, resource_identity, seen_day, provider, duration_ms
    FROM trace_spans ORDER BY seen_day;
  DROP TABLE trace_spans;
  ALTER TABLE seen_spans RENAME TO trace_spans;
  CREATE UNIQUE INDEX trace_spans_by_span ON trace_spans (trace_id, span_id, start_ms);
  CREATE INDEX trace_spans_by_parent ON trace_spans (trace_id, parent_span_id) WHERE parent_span_id IS NOT NULL;
  CREATE INDEX trace_spans_by_response ON trace_spans (response_id, trace_id) WHERE response_id IS NOT NULL;
  `,
  traitsSchema,
  closedDaysSchema,
  inheritedTraitsSchema,
  spanKeysSchema,
  dayGroupsSchema,
  namedCallsSchema,
  `${dayUsageSchema}${keptSchema}`,
  repeatsSchema,
  dayWaitsSchema,
  spanNumbersSchema,
  `${slimSessionNamesSchema}${slimSessionsSchema}${slimUsersSchema}`,
  withheldSchema,
]
