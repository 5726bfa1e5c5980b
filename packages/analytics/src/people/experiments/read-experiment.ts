import { scopeOf, type Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { sameTarget } from '../../plan/latest-events.ts'
import type { ExposedUser, Reading } from './exposed-user.ts'
import { readRetries } from '../../read/read-retries.ts'
import { eachCall, openCallWords } from '../histories/user-calls.ts'
import { readChosen } from '../histories/read-persons.ts'

/** The users of an experiment. */
export interface Exposed {
  readonly users: readonly ExposedUser[]
  /** Users who were shown more than one variant; they are left out. */
  readonly mixed: number
  /** Users whose time is not over yet; they are left out. */
  readonly pending: number
}

const BEFORE_MS = 14 * 86_400_000
const spansOf = 'SELECT CAST(value->>0 AS INTEGER) AS user_id, value->>1 AS from_ms, value->>2 AS to_ms FROM json_each(?1)'

/** Whose first exposures count, and when. */
export interface ExposureScope {
  readonly fromMs: number
  readonly toMs: number
  /** Everybody where undefined. */
  readonly userIds: ReadonlySet<number> | undefined
}

/** Exposures of the period of a question, or all up to its end, of the users that its filter chooses. */
export async function exposureScope(frame: Frame, { isBegun }: { readonly isBegun: boolean }): Promise<ExposureScope> {
  const { period, clock } = frame
  return { fromMs: isBegun ? period.fromMs : 0, toMs: Math.min(period.toMs, clock.asOfMs), userIds: await readChosen(frame) }
}

/** The experiments that users were exposed to in a time, with the number of users. */
export function readExperiments(
  { store }: Frame,
  { fromMs, toMs, userIds }: ExposureScope,
): Promise<[name: string, variants: number, users: number, firstMs: number][]> {
  return readRows(store, {
    text: `SELECT json_group_array(json_array(name, variants, users, first_ms)) AS rows FROM (
      SELECT s.name, count(DISTINCT e.outcome) AS variants, count(DISTINCT e.user_id) AS users, min(e.start_ms) AS first_ms
      FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms >= ? AND e.start_ms < ?
        ${userIds === undefined ? '' : 'AND e.user_id IN (SELECT value FROM json_each(?))'} GROUP BY s.name ORDER BY s.name)`,
    values: [fromMs, toMs, ...(userIds === undefined ? [] : [JSON.stringify([...userIds])])],
  })
}

/** What is read of each user. */
interface Asked {
  /** How long after the first exposure counts; undefined for all the time up to `as_of`. */
  readonly windowMs: number | undefined
  readonly reads: ReadonlySet<Reading>
}

/**
 * Reads what each user whose first exposure is in the scope did from it on. Exposures from `period.toMs` on are none; who saw
 * several variants says nothing of any.
 */
export async function readExposed(
  frame: Frame,
  experiment: string,
  { scope, ...asked }: Asked & { readonly scope: ExposureScope },
): Promise<Exposed> {
  const { store, clock, period } = frame
  const all = await readRows<[userId: number, variant: string, firstMs: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, variant, first_ms)) AS rows FROM (
      SELECT e.user_id, e.outcome AS variant, min(e.start_ms) AS first_ms
      FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND s.name = ? AND e.outcome IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?
      GROUP BY e.user_id, e.outcome)`,
    values: [experiment, Math.min(clock.asOfMs, period.toMs)],
  })
  const firstOf = new Map<number, number>()
  for (const [userId, , firstMs] of all) firstOf.set(userId, Math.min(firstOf.get(userId) ?? firstMs, firstMs))
  const isMeant = (userId: number): boolean => {
    const firstMs = firstOf.get(userId) ?? 0
    return firstMs >= scope.fromMs && firstMs < scope.toMs && scope.userIds?.has(userId) !== false
  }
  const rows = all.filter(([userId]) => isMeant(userId))
  const seen = new Map<number, number>()
  for (const [userId] of rows) seen.set(userId, (seen.get(userId) ?? 0) + 1)
  const single = rows.filter(([userId]) => seen.get(userId) === 1)
  const { users, pending } = await readUsers(frame, single, asked)
  return { users, pending, mixed: [...seen.values()].filter((variants) => variants > 1).length }
}

/** The users that a question is about with a call from `fromMs` on, as if each had been exposed to something with the first of them. */
export async function readAsIfExposed(frame: Frame, fromMs: number, asked: Asked): Promise<readonly ExposedUser[]> {
  const rows = await readRows<[userId: number, variant: string, firstMs: number]>(frame.store, {
    text: `SELECT json_group_array(json_array(user_id, '', first_ms)) AS rows FROM (
      SELECT user_id, min(start_ms) AS first_ms FROM llm_calls
      WHERE counted = 1 AND user_id <> 0 AND start_ms >= ? AND start_ms < ? GROUP BY user_id)`,
    values: [fromMs, Math.min(frame.clock.asOfMs, frame.period.toMs)],
  })
  const chosen = await readChosen(frame)
  const meant = rows.filter(([userId]) => chosen?.has(userId) !== false)
  return (await readUsers(frame, meant, asked)).users
}

/** A user's time in an experiment. */
type Span = readonly [userId: number, fromMs: number, toMs: number]

async function readUsers(
  frame: Frame,
  exposures: readonly (readonly [userId: number, variant: string, firstMs: number])[],
  { windowMs, reads }: Asked,
): Promise<{ users: ExposedUser[]; pending: number }> {
  const { asOfMs } = frame.clock
  const known = exposures.filter(([, , firstMs]) => windowMs === undefined || firstMs + windowMs <= asOfMs)
  const spans = known.map(([userId, , firstMs]): Span => [userId, firstMs, windowMs === undefined ? asOfMs : firstMs + windowMs])
  const did = await readSums(frame, spans)
  const calls = reads.has('latencies') || reads.has('retries') ? await readCalls(frame, spans, reads.has('retries')) : undefined
  const satisfaction = reads.has('feedback') ? await readSatisfaction(frame, spans) : undefined
  return {
    pending: exposures.length - known.length,
    users: known.map(([userId, variant]) => {
      const [requests = 0, errors = 0, costNanoUsd = 0, goals = 0, requestsBefore = 0] = did.get(userId) ?? []
      const own = calls?.of.get(userId)
      return {
        userId,
        variant,
        requests,
        errors,
        costNanoUsd,
        reachedGoal: goals > 0,
        requestsBefore,
        latenciesMs: own?.latenciesMs ?? [],
        retries: calls?.areRetriesTold === true ? (own?.retries ?? 0) : null,
        satisfaction: satisfaction?.get(userId) ?? null,
      }
    }),
  }
}

interface CallsOfUser {
  readonly latenciesMs: number[]
  retries: number
}

async function readCalls(
  frame: Frame,
  spans: readonly Span[],
  withRetries: boolean,
): Promise<{ of: ReadonlyMap<number, CallsOfUser>; areRetriesTold: boolean }> {
  const period = wholeOf(spans)
  const retries = withRetries ? await readRetries(frame.store, await scopeOf(frame, period)) : undefined
  const everybody = { ...frame, where: undefined, dimensions: [] }
  const of = new Map(spans.map(([userId, fromMs, toMs]) => [userId, { fromMs, toMs, latenciesMs: [] as number[], retries: 0 }]))
  await eachCall(everybody, await openCallWords(everybody, { retries }), {
    period,
    userIds: spans.map(([userId]) => userId),
    take: ({ userId, startMs, endMs, isRetry }) => {
      const own = of.get(userId)
      if (own === undefined || startMs < own.fromMs || startMs >= own.toMs) return
      own.latenciesMs.push(endMs - startMs)
      if (isRetry) own.retries++
    },
  })
  return { of, areRetriesTold: retries !== undefined }
}

/** By user the mean of the feedback of people within the span, of each name and target the latest. */
async function readSatisfaction({ store }: Frame, spans: readonly Span[]): Promise<ReadonlyMap<number, number>> {
  const rows = await readRows<[userId: number, satisfaction: number]>(store, {
    text: `WITH spans AS MATERIALIZED (${spansOf})
      SELECT json_group_array(json_array(user_id, satisfaction)) AS rows FROM (
        SELECT user_id, avg(satisfaction) AS satisfaction FROM (
          SELECT e.user_id, (e.value - e.min) / (e.max - e.min) * 10 AS satisfaction,
            max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)) AS latest
          FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
          CROSS JOIN (SELECT user_id, from_ms, to_ms FROM spans GROUP BY user_id) AS x ON x.user_id = e.user_id
          WHERE s.kind = 'feedback' AND s.source = 'human' AND (e.value IS NOT NULL OR e.outcome IS NOT NULL)
            AND e.start_ms >= x.from_ms AND e.start_ms < x.to_ms
          GROUP BY e.user_id, s.name, ${sameTarget})
        WHERE satisfaction IS NOT NULL GROUP BY user_id)`,
    values: [JSON.stringify(spans)],
  })
  // Whose answers are added up first is not the same in every ledger; the last bits of a double would tell.
  return new Map(rows.map(([userId, satisfaction]) => [userId, Math.round(satisfaction * 1e9) / 1e9]))
}

/** From the first instant of any span to the last of any. */
function wholeOf(spans: readonly Span[]): { fromMs: number; toMs: number } {
  return {
    fromMs: spans.reduce((least, [, fromMs]) => Math.min(least, fromMs), Number.MAX_SAFE_INTEGER),
    toMs: spans.reduce((most, [, , toMs]) => Math.max(most, toMs), 0),
  }
}

/** What the app said of how users are to be split. */
export interface ToldShares {
  /** By variant, the latest share that was told of it. */
  readonly shares: ReadonlyMap<string, number>
  /** Whether any variant was told more than one. */
  readonly changed: boolean
}

/** Reads the shares that the exposures of the period carry. */
export async function readShares({ store, clock, period }: Frame, experiment: string): Promise<ToldShares> {
  const rows = await readRows<[variant: string, share: number, told: number]>(store, {
    // The key is of one width and holds all that tells two events apart: the row of its max() is the latest (as in latest-events.ts).
    text: `SELECT json_group_array(json_array(outcome, value, told)) AS rows FROM (
      SELECT e.outcome, e.value, count(DISTINCT e.value) AS told,
        max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)) AS latest
      FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind = 'exposed' AND s.name = ? AND e.outcome IS NOT NULL AND e.value IS NOT NULL AND e.user_id <> 0 AND e.start_ms < ?
      GROUP BY e.outcome)`,
    values: [experiment, Math.min(clock.asOfMs, period.toMs)],
  })
  return { shares: new Map(rows.map(([variant, share]) => [variant, share])), changed: rows.some(([, , told]) => told > 1) }
}

/** By user: requests, errors, cost, goals within the span (the latest word on each counts), and requests before it. `spans` are [user, from, to]. */
async function readSums({ store }: Frame, spans: readonly Span[]): Promise<ReadonlyMap<number, number[]>> {
  const { fromMs, toMs } = wholeOf(spans)
  const rows = await readRows<[userId: number, ...sums: number[]]>(store, {
    // The calls come first: there is no index of them by user. GROUP BY and CAST let SQLite index the spans, of which each user has one.
    text: `WITH spans AS MATERIALIZED (${spansOf})
      SELECT json_group_array(json_array(user_id, requests, errors, cost, goals, before)) AS rows FROM (
        SELECT user_id, sum(requests) AS requests, sum(errors) AS errors, sum(cost) AS cost, sum(goals) AS goals, sum(before) AS before FROM (
          SELECT c.user_id, sum(c.start_ms >= x.from_ms) AS requests, sum(c.start_ms >= x.from_ms AND k.status = 'error') AS errors,
            sum(iif(c.start_ms >= x.from_ms, coalesce(c.cost_nano_usd, 0), 0)) AS cost, 0 AS goals, sum(c.start_ms < x.from_ms) AS before
          FROM llm_calls AS c CROSS JOIN (SELECT user_id, from_ms, to_ms FROM spans GROUP BY user_id) AS x ON x.user_id = c.user_id JOIN kinds AS k ON k.kind_id = c.kind_id
          WHERE c.counted = 1 AND c.start_ms >= ?2 AND c.start_ms < ?3 AND c.start_ms >= x.from_ms - ${BEFORE_MS} AND c.start_ms < x.to_ms
          GROUP BY c.user_id
          UNION ALL
          SELECT user_id, 0, 0, 0, sum(outcome = 'success'), 0 FROM (
            SELECT e.user_id, e.outcome, max(printf('%019d', e.start_ms * 1024 + e.start_fraction) || hex(e.span_id) || hex(e.trace_id)) AS latest
            FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
            CROSS JOIN (SELECT user_id, from_ms, to_ms FROM spans GROUP BY user_id) AS x ON x.user_id = e.user_id
            WHERE s.kind = 'goal' AND e.outcome IS NOT NULL AND e.step IS NULL AND e.start_ms >= x.from_ms AND e.start_ms < x.to_ms
            GROUP BY e.user_id, s.name, ${sameTarget})
          GROUP BY user_id)
        GROUP BY user_id)`,
    values: [JSON.stringify(spans), fromMs - BEFORE_MS, toMs],
  })
  return new Map(rows.map(([userId, ...sums]) => [userId, sums]))
}
