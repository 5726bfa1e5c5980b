import { measuresSchema, plainMeasures, rareSql } from './rare-measures.ts'

/** Sums by day and by month of each user; see schema.ts. Most rows are of a call or two, which are not far from each other. */
export const rollupUsersTable = `
  CREATE TABLE rollup_users (
    bucket INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    ${measuresSchema},
    active_days INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    -- From there to the start of the last call.
    to_last_ms INTEGER NOT NULL,
    last_ms INTEGER AS (first_ms + to_last_ms) VIRTUAL,
    latency BLOB NOT NULL,
    ttft BLOB NOT NULL,
    models BLOB NOT NULL,
    features BLOB NOT NULL,
    PRIMARY KEY (bucket, user_id)
  ) STRICT, WITHOUT ROWID;
`

const sameColumns = ['bucket', 'user_id', ...plainMeasures, 'active_days', 'first_ms', 'latency', 'ttft', 'models', 'features'].join(', ')

/** Rows with a column for each measure and bound, as `rollupUsersTable` has them. */
export const slimUsersSchema = `
  ALTER TABLE rollup_users RENAME TO wide_rollup_users;
  ${rollupUsersTable}
  INSERT INTO rollup_users (${sameColumns}, to_last_ms, rare)
  SELECT ${sameColumns}, last_ms - first_ms, ${rareSql((name) => name)} FROM wide_rollup_users ORDER BY bucket, user_id;
  DROP TABLE wide_rollup_users;
`
