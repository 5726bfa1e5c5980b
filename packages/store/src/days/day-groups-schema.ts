import { firstMeasures } from '../rollups/measures.ts'

const measures = [...firstMeasures, 'rate_limited_requests']

/** Sums of closed days by what calls have in common. */
export const dayGroupsSchema = `
  -- The calls of a day, grouped once by each part: -1 by model (id: model_id), -2 by kind (kind_id), a key_id of property_keys by
  -- the values of that property (value_id, 0 for none), 0 by the values of several properties with few values each (segment_id).
  -- users: the ids of the users, each once; see counts.ts.
  CREATE TABLE day_groups (
    day INTEGER NOT NULL,
    part INTEGER NOT NULL,
    id INTEGER NOT NULL,
    ${measures.map((column) => `${column} INTEGER NOT NULL`).join(', ')},
    anonymous_requests INTEGER NOT NULL,
    latency BLOB NOT NULL,
    ttft BLOB NOT NULL,
    users BLOB NOT NULL,
    UNIQUE (day, part, id)
  ) STRICT;

  -- What the calls of a day could be grouped by, and are (1), or are also together with others, in part 0 (2), or are not, because
  -- there would be too many groups (0). A property that is not here no call of the day has. Part -3: properties that have no key.
  CREATE TABLE day_parts (
    day INTEGER NOT NULL,
    part INTEGER NOT NULL,
    kept INTEGER NOT NULL CHECK (kept IN (0, 1, 2)),
    PRIMARY KEY (day, part)
  ) STRICT, WITHOUT ROWID;

  CREATE TRIGGER open_day_groups AFTER DELETE ON closed_days BEGIN
    DELETE FROM day_groups WHERE day = OLD.day;
    DELETE FROM day_parts WHERE day = OLD.day;
  END;
  -- Days that were closed before are closed again, with all of this.
  DELETE FROM closed_days;
  `
