import { firstMeasures } from '../rollups/measures.ts'
import { measuresSchema, plainMeasures, rareSql } from '../rollups/rare-measures.ts'

/**
 * What is kept of the calls of a closed day: see closed-days-schema.ts. Packed columns are counts by value, see counts.ts: quarters
 * of an hour since 1970, ids of models, kinds and values of "feature", milliseconds. Calls without a user are not counted.
 */
export const dayUsageSchema = `
  CREATE TABLE day_usage (
    day INTEGER PRIMARY KEY,
    quarters BLOB NOT NULL,
    features BLOB NOT NULL,
    models BLOB NOT NULL,
    kinds BLOB NOT NULL
  ) STRICT;
  -- How long users waited for the first word, else for the answer.
  CREATE TABLE day_waits (
    day INTEGER NOT NULL,
    feature_id INTEGER NOT NULL,
    waits BLOB NOT NULL,
    PRIMARY KEY (day, feature_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER open_day_usage AFTER DELETE ON closed_days BEGIN
    DELETE FROM day_usage WHERE day = OLD.day;
    DELETE FROM day_waits WHERE day = OLD.day;
  END;
  DELETE FROM closed_days;
`

/** A row of a kilobyte takes a page of its own in a table without rowid: those hold a quarter of a page at most. */
export const dayWaitsSchema = `
  DELETE FROM closed_days;
  DROP TABLE day_waits;
  CREATE TABLE day_waits (
    day INTEGER NOT NULL,
    feature_id INTEGER NOT NULL,
    waits BLOB NOT NULL,
    UNIQUE (day, feature_id)
  ) STRICT;
`

/**
 * What is kept of the sessions of the days before open_sessions.kept_until: of those that are over; of those that may go on, as JSON;
 * and sums over those that are over, by day of their start, without those of nobody.
 */
export const keptSchema = `
  CREATE TABLE kept_sessions (
    user_id INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    next_ms INTEGER,
    active_ms INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    follow_ups INTEGER NOT NULL,
    last_kind_id INTEGER NOT NULL,
    last_wait_ms INTEGER NOT NULL,
    last_feature_id INTEGER NOT NULL,
    ${[...firstMeasures, 'rate_limited_requests'].map((column) => `${column} INTEGER NOT NULL`).join(', ')},
    latency BLOB NOT NULL,
    PRIMARY KEY (user_id, session_id, start_ms)
  ) STRICT, WITHOUT ROWID;
  -- One row, or none where nothing is kept.
  CREATE TABLE open_sessions (
    kept_until INTEGER PRIMARY KEY,
    sessions TEXT NOT NULL
  ) STRICT;

  CREATE TABLE session_days (
    day INTEGER PRIMARY KEY,
    sessions INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    follow_ups INTEGER NOT NULL,
    active_ms INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    durations BLOB NOT NULL
  ) STRICT;
  -- How they ended: by kind and feature of their last call.
  CREATE TABLE session_endings (
    day INTEGER NOT NULL,
    kind_id INTEGER NOT NULL,
    feature_id INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    waits BLOB NOT NULL,
    messages BLOB NOT NULL,
    PRIMARY KEY (day, kind_id, feature_id)
  ) STRICT, WITHOUT ROWID;

  -- Users of whom a call of a day before that one was added, changed or taken away since: their sessions may be others.
  CREATE TABLE stale_sessions (
    user_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (user_id, day)
  ) STRICT, WITHOUT ROWID;
`

/**
 * Sessions that are over, a row each: times are told from each other, because most sessions are short and a distance takes few
 * bytes, often none. What is asked for are the times; SQLite adds them up where it reads one.
 */
export const keptSessionsTable = `
  CREATE TABLE kept_sessions (
    user_id INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    -- From there to the start of the last call, to the latest end, and to when the user began another.
    to_last_ms INTEGER NOT NULL,
    to_end_ms INTEGER NOT NULL,
    to_next_ms INTEGER,
    -- Of the time from start to end that which is not active.
    idle_ms INTEGER NOT NULL,
    last_ms INTEGER AS (start_ms + to_last_ms) VIRTUAL,
    end_ms INTEGER AS (start_ms + to_last_ms + to_end_ms) VIRTUAL,
    next_ms INTEGER AS (start_ms + to_last_ms + to_end_ms + to_next_ms) VIRTUAL,
    active_ms INTEGER AS (to_last_ms + to_end_ms - idle_ms) VIRTUAL,
    messages INTEGER NOT NULL,
    follow_ups INTEGER NOT NULL,
    last_kind_id INTEGER NOT NULL,
    last_wait_ms INTEGER NOT NULL,
    last_feature_id INTEGER NOT NULL,
    ${measuresSchema},
    latency BLOB NOT NULL,
    PRIMARY KEY (user_id, session_id, start_ms)
  ) STRICT, WITHOUT ROWID;
`

const sameColumns = ['messages', 'follow_ups', 'last_kind_id', 'last_wait_ms', 'last_feature_id', ...plainMeasures, 'latency'].join(', ')

/** Sessions that were kept with all of their times and measures, as `keptSessionsTable` has them. */
export const slimSessionsSchema = `
  ALTER TABLE kept_sessions RENAME TO wide_sessions;
  ${keptSessionsTable}
  INSERT INTO kept_sessions (user_id, session_id, start_ms, to_last_ms, to_end_ms, to_next_ms, idle_ms, ${sameColumns}, rare)
  SELECT user_id, session_id, start_ms, last_ms - start_ms, end_ms - last_ms, next_ms - end_ms, end_ms - start_ms - active_ms, ${sameColumns},
    ${rareSql((name) => name)}
  FROM wide_sessions ORDER BY user_id, session_id, start_ms;
  DROP TABLE wide_sessions;
`
