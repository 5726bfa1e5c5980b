import type { Store } from '@spanledger/store'

import { readRows } from '../../ledger/snapshot.ts'
import { QueryError } from '../../query/query-error.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'

type Row = [area: string, item: string, users: number | null, records: number | null, oldestMs: number | null, latestMs: number | null]

/** What the ledger holds of people as it is, who consented or opted out, and what was erased: what a privacy officer is asked for. */
export async function tellPrivacy({ frame }: PeopleAsked): Promise<Told> {
  const { store, where } = frame
  if (where !== undefined)
    throw new QueryError('The privacy report is of the whole ledger: leave out where, user, user_prefix and segment.', { given: 'where' })
  const rows = [...(await readConsents(store)), ...(await readWithheld(store)), ...(await readHeld(store))]
  return {
    columns: {
      area: ['Area', 'string', 'consent, opt_out, erasure, withheld, or held: what the ledger holds'],
      item: ['What', 'string', 'a purpose and its state, what was erased, or what is held'],
      users: ['Users', 'int', 'different users; of opt_out and erasure: ids, persons; null where users are not counted'],
      records: ['Records', 'int', 'how many: calls, events, payments, values; null where only users are counted'],
      oldest_at: ['Oldest', 'time', 'of the first of them'],
      latest_at: ['Latest', 'time', 'of the last of them'],
    },
    rows: rows.map(([area, item, users, records, oldestMs, latestMs]) => ({
      area,
      item,
      users,
      records,
      oldest_at: oldestMs,
      latest_at: latestMs,
    })),
  }
}

/** The latest word of each user on each purpose. */
async function readConsents(store: Store): Promise<Row[]> {
  return readRows<Row>(store, {
    text: `WITH said AS (
        SELECT s.name, e.user_id, e.outcome, e.start_ms,
          max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)) AS latest
        FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
        WHERE s.kind = 'consent' AND e.outcome IS NOT NULL AND e.user_id <> 0 GROUP BY s.name, e.user_id)
      SELECT json_group_array(json_array('consent', name || ': ' || outcome, users, NULL, oldest, latest)) AS rows FROM (
        SELECT name, outcome, count(*) AS users, min(start_ms) AS oldest, max(start_ms) AS latest FROM said
        GROUP BY name, outcome ORDER BY name, outcome DESC)`,
    values: [],
  })
}

async function readWithheld(store: Store): Promise<Row[]> {
  return readRows<Row>(store, {
    text: `SELECT json_group_array(json_array(area, item, users, records, oldest, latest)) AS rows FROM (
        SELECT 'opt_out' AS area, 'opted out' AS item, count(*) AS users, NULL AS records, min(since_ms) AS oldest, max(since_ms) AS latest
          FROM withheld_users WHERE reason = 'opted_out'
        UNION ALL SELECT 'erasure', 'erased', count(*), NULL, min(erased_ms), max(erased_ms) FROM erasures
        UNION ALL SELECT 'erasure', 'calls made nobody''s', NULL, total(calls), NULL, NULL FROM erasures
        UNION ALL SELECT 'erasure', 'payments made nobody''s', NULL, total(payments), NULL, NULL FROM erasures
        UNION ALL SELECT 'erasure', 'events deleted', NULL, total(events), NULL, NULL FROM erasures
        UNION ALL SELECT 'erasure', 'traits deleted', NULL, total(traits), NULL, NULL FROM erasures
        UNION ALL SELECT 'withheld', 'calls since, of who opted out or was erased', NULL, coalesce((SELECT count FROM counters WHERE name = 'withheld_calls'), 0), NULL, NULL)`,
    values: [],
  })
}

/** Users and calls from the rollups: every day of every user is there. */
async function readHeld(store: Store): Promise<Row[]> {
  return readRows<Row>(store, {
    text: `SELECT json_group_array(json_array('held', item, users, records, oldest, latest)) AS rows FROM (
        SELECT 'calls of users' AS item, count(DISTINCT user_id) AS users, total(requests) AS records, min(first_ms) AS oldest, max(first_ms + to_last_ms) AS latest
          FROM rollup_users WHERE user_id <> 0 AND bucket % 100 = 0
        UNION ALL SELECT 'calls of nobody', NULL, total(requests), min(first_ms), max(first_ms + to_last_ms) FROM rollup_users WHERE user_id = 0 AND bucket % 100 = 0
        UNION ALL SELECT 'sessions', count(DISTINCT user_id), count(*), min(first_ms), max(last_ms) FROM sessions WHERE first_ms IS NOT NULL AND session_id <> 0
        UNION ALL SELECT 'aliases', count(DISTINCT to_user_id), count(*), min(made_ms), max(made_ms) FROM aliases WHERE undone_ms IS NULL
        UNION ALL SELECT * FROM (SELECT 'events: ' || s.kind, count(DISTINCT nullif(e.user_id, 0)), count(*), min(e.start_ms), max(e.start_ms)
          FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id GROUP BY s.kind ORDER BY s.kind)
        UNION ALL SELECT * FROM (SELECT 'trait: ' || k.name, count(DISTINCT t.user_id), count(*), NULL, NULL
          FROM trait_keys AS k JOIN user_traits AS t ON t.key_id = k.key_id AND t.from_user_id = 0 GROUP BY k.key_id ORDER BY k.key)
        UNION ALL SELECT * FROM (SELECT 'values of property: ' || name, NULL, value_count, NULL, NULL FROM property_keys WHERE value_count > 0 OR place = 'overflow' ORDER BY key))`,
    values: [],
  })
}
