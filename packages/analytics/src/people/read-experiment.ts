import type { Frame } from '../read/frame.ts'
import { readRows } from '../ledger/snapshot.ts'

/** A user who was shown a variant, and what the user did in the time that counts. */
export interface ExposedUser {
  readonly userId: number
  readonly variant: string
  readonly requests: number
  readonly errors: number
  /** Of the calls that have a price. */
  readonly costNanoUsd: number
  readonly reachedGoal: boolean
  /** Requests in the two weeks before. */
  readonly requestsBefore: number
}

/** The users of an experiment. */
export interface Exposed {
  readonly users: readonly ExposedUser[]
  /** Users who were shown more than one variant; they are left out. */
  readonly mixed: number
  /** Users whose time is not over yet; they are left out. */
  readonly pending: number
}

const BEFORE_MS = 14 * 86_400_000

/** The experiments that anybody was exposed to before `as_of`, with the number of users. */
export function readExperiments({ store, clock }: Frame): Promise<[name: string, variants: number, users: number, firstMs: number][]> {
  return readRows(store, {
    text: `SELECT json_group_array(json_array(name, variants, users, first_ms)) AS rows FROM (
      SELECT s.name, count(DISTINCT e.outcome) AS variants, count(DISTINCT e.user_id) AS users, min(e.start_ms) AS first_ms
      FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ? GROUP BY s.name ORDER BY s.name)`,
    values: [clock.asOfMs],
  })
}

/**
 * Reads what each user did from the first exposure on, for `windowMs` or, where undefined, up to `as_of`. Who saw several
 * variants says nothing of any.
 */
export async function readExposed(frame: Frame, experiment: string, windowMs: number | undefined): Promise<Exposed> {
  const { store, clock } = frame
  const rows = await readRows<[userId: number, variant: string, firstMs: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, variant, first_ms)) AS rows FROM (
      SELECT e.user_id, e.outcome AS variant, min(e.start_ms) AS first_ms
      FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND s.name = ? AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?
      GROUP BY e.user_id, e.outcome)`,
    values: [experiment, clock.asOfMs],
  })
  const seen = new Map<number, number>()
  for (const [userId] of rows) seen.set(userId, (seen.get(userId) ?? 0) + 1)
  const single = rows.filter(([userId]) => seen.get(userId) === 1)
  const known = single.filter(([, , firstMs]) => windowMs === undefined || firstMs + windowMs <= clock.asOfMs)
  const spans = known.map(([userId, , firstMs]) => [userId, firstMs, windowMs === undefined ? clock.asOfMs : firstMs + windowMs])
  const did = await readSums(frame, spans)
  return {
    mixed: [...seen.values()].filter((variants) => variants > 1).length,
    pending: single.length - known.length,
    users: known.map(([userId, variant]) => {
      const [requests = 0, errors = 0, costNanoUsd = 0, goals = 0, requestsBefore = 0] = did.get(userId) ?? []
      return { userId, variant, requests, errors, costNanoUsd, reachedGoal: goals > 0, requestsBefore }
    }),
  }
}

/** What the app said of how users are to be split. */
export interface ToldShares {
  /** By variant, the latest share that was told of it. */
  readonly shares: ReadonlyMap<string, number>
  /** Whether any variant was told more than one. */
  readonly changed: boolean
}

/** Reads the shares that exposures before `as_of` carry. */
export async function readShares({ store, clock }: Frame, experiment: string): Promise<ToldShares> {
  const rows = await readRows<[variant: string, share: number, told: number]>(store, {
    // The key is of one width and holds all that tells two events apart: the row of its max() is the latest (as in latest-events.ts).
    text: `SELECT json_group_array(json_array(outcome, value, told)) AS rows FROM (
      SELECT e.outcome, e.value, count(DISTINCT e.value) AS told,
        max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)) AS latest
      FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND s.name = ? AND e.outcome IS NOT NULL AND e.value IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?
      GROUP BY e.outcome)`,
    values: [experiment, clock.asOfMs],
  })
  return { shares: new Map(rows.map(([variant, share]) => [variant, share])), changed: rows.some(([, , told]) => told > 1) }
}

/** By user: requests, errors, cost, goals within the span, and requests before it. `spans` are [user, from, to]. */
async function readSums({ store }: Frame, spans: readonly (readonly number[])[]): Promise<ReadonlyMap<number, number[]>> {
  const first = spans.reduce((least, [, fromMs = 0]) => Math.min(least, fromMs), Number.MAX_SAFE_INTEGER)
  const last = spans.reduce((most, [, , toMs = 0]) => Math.max(most, toMs), 0)
  const rows = await readRows<[userId: number, ...sums: number[]]>(store, {
    // The calls come first: there is no index of them by user. GROUP BY and CAST let SQLite index the spans, of which each user has one.
    text: `WITH spans AS MATERIALIZED (SELECT CAST(value->>0 AS INTEGER) AS user_id, value->>1 AS from_ms, value->>2 AS to_ms FROM json_each(?1))
      SELECT json_group_array(json_array(user_id, requests, errors, cost, goals, before)) AS rows FROM (
        SELECT user_id, sum(requests) AS requests, sum(errors) AS errors, sum(cost) AS cost, sum(goals) AS goals, sum(before) AS before FROM (
          SELECT c.user_id, sum(c.start_ms >= x.from_ms) AS requests, sum(c.start_ms >= x.from_ms AND k.status = 'error') AS errors,
            sum(iif(c.start_ms >= x.from_ms, coalesce(c.cost_nano_usd, 0), 0)) AS cost, 0 AS goals, sum(c.start_ms < x.from_ms) AS before
          FROM llm_calls AS c CROSS JOIN (SELECT user_id, from_ms, to_ms FROM spans GROUP BY user_id) AS x ON x.user_id = c.user_id JOIN kinds AS k ON k.kind_id = c.kind_id
          WHERE c.counted = 1 AND c.start_ms >= ?2 AND c.start_ms < ?3 AND c.start_ms >= x.from_ms - ${BEFORE_MS} AND c.start_ms < x.to_ms
          GROUP BY c.user_id
          UNION ALL
          SELECT e.user_id, 0, 0, 0, count(*), 0 FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
          CROSS JOIN (SELECT user_id, from_ms, to_ms FROM spans GROUP BY user_id) AS x ON x.user_id = e.user_id
          WHERE s.kind = 'goal' AND e.outcome = 'success' AND e.start_ms >= x.from_ms AND e.start_ms < x.to_ms GROUP BY e.user_id)
        GROUP BY user_id)`,
    values: [JSON.stringify(spans), first - BEFORE_MS, last],
  })
  return new Map(rows.map(([userId, ...sums]) => [userId, sums]))
}
