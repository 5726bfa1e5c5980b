import type { WrittenCall } from '../batch.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'

/**
 * What says that something was asked once more: fingerprints of what was asked, 48 bits in the row of a call that has one; what apps
 * say is a retry, which few do; and, among the words of a kind, retries that programs make. Beside these the verdict on cached tokens.
 */
export const repeatsSchema = `
  ALTER TABLE llm_calls ADD COLUMN fingerprint INTEGER;

  CREATE TABLE retried_calls (
    start_ms INTEGER NOT NULL,
    span_id BLOB NOT NULL,
    trace_id BLOB NOT NULL,
    of_span_id BLOB NOT NULL,
    of_trace_id BLOB NOT NULL,
    PRIMARY KEY (start_ms, span_id, trace_id)
  ) STRICT, WITHOUT ROWID;

  -- auto_retry: 'inside' of the call, or the call 'itself'. cache_verdict: whether the emitter's input was taken to hold its cached
  -- tokens ('included', 'left_out'), and by what; empty where nothing was cached, or where this was not noted yet.
  CREATE TABLE said_kinds (
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
    auto_retry TEXT NOT NULL CHECK (auto_retry IN ('', 'inside', 'itself')),
    cache_verdict TEXT NOT NULL,
    UNIQUE (operation, status, error_class, error_type, finish_reason, service_tier, streamed, usage_quality, origin, auto_retry, cache_verdict)
  ) STRICT;
  INSERT INTO said_kinds SELECT kind_id, operation, status, error_class, error_type, finish_reason, service_tier, streamed, usage_quality, origin, '', ''
    FROM kinds;
  DROP TABLE kinds;
  ALTER TABLE said_kinds RENAME TO kinds;
  `

/** The entry of `meta` that a ledger has once any call came with a fingerprint: without it nobody need look for some. */
const FINGERPRINTS = 'fingerprints'

/** Keeps which calls of a batch apps say are retries, and of what, and notes whether there are fingerprints. Inside the transaction that wrote them, after it. */
export async function writeRepeats(db: Sqlite, calls: readonly WrittenCall[]): Promise<void> {
  if (calls.some(({ fingerprint }) => fingerprint !== undefined))
    await db.run("INSERT OR IGNORE INTO meta (key, value) VALUES (?, 'kept')", FINGERPRINTS)
  const retries = calls.filter(({ retryOf }) => retryOf !== undefined)
  if (retries.length === 0) return
  await db.run(
    `INSERT OR IGNORE INTO retried_calls (start_ms, span_id, trace_id, of_span_id, of_trace_id)
     SELECT c.start_ms, c.span_id, c.trace_id, unhex(substr(j.value->>3, 34)), unhex(substr(j.value->>3, 1, 32)) FROM jsonb_each(?) AS j
     JOIN llm_calls AS c ON c.start_ms = j.value->>0 AND c.span_id = unhex(j.value->>1) AND c.trace_id = unhex(j.value->>2)`,
    JSON.stringify(retries.map(({ startMs, spanId, traceId, retryOf }) => [startMs, spanId, traceId, retryOf])),
  )
}
