import type { Store } from '@spanledger/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { openAnalytics, type ReportParams, type Row } from '../../src/index.ts'
import type { SaidOfSession } from '../../src/behavior/outcomes.ts'
import type { UserCall } from '../../src/behavior/user-call.ts'
import { friction } from '../behavior/naive-friction.ts'
import type { SessionMetrics } from '../../src/behavior/session-metrics.ts'
import { sessionMetrics } from '../behavior/naive-session-metrics.ts'
import { sessionize, type Session } from '../behavior/naive-sessions.ts'
import { usagePatterns, type PatternCall } from '../behavior/naive-usage-patterns.ts'
import { ledgerOf } from '../ledger.ts'
import { play, START_MS, step } from '../random-behavior.ts'

const HOUR_MS = 3_600_000
const ZONE = 'America/New_York'

/** The calls of users that a ledger has, as plain objects. */
async function callsOf(store: Store): Promise<PatternCall[]> {
  const rows = await store.all<{
    id: string
    user: number
    session: number
    start: number
    ms: number
    ttft: number | null
    feature: string | null
    operation: string
    status: PatternCall['status']
    error: string
    model: string
  }>(
    `SELECT hex(c.span_id) || hex(c.trace_id) AS id, c.user_id AS user, c.session_id AS session, c.start_ms AS start, c.latency_ms AS ms, c.ttft_ms AS ttft,
       (SELECT v.value FROM segment_values AS s JOIN property_values AS v USING (value_id) JOIN property_keys AS k ON k.key_id = v.key_id
        WHERE s.segment_id = c.segment_id AND k.key = 'feature') AS feature,
       k.operation, k.status, k.error_class AS error, m.requested_model || '/' || m.provider AS model
     FROM llm_calls AS c JOIN kinds AS k USING (kind_id) JOIN models AS m USING (model_id) WHERE c.counted = 1 AND c.user_id <> 0`,
  )
  return rows.map(({ id, user, session, start, ms, ttft, feature, operation, status, error, model }) => ({
    id,
    user: String(user),
    session: session === 0 ? undefined : String(session),
    startMs: start,
    endMs: start + ms,
    timeToFirstTokenMs: ttft ?? undefined,
    feature: feature === null || feature === '(none)' ? undefined : feature,
    operation,
    status,
    errorClass: error === '' ? undefined : error,
    fingerprint: undefined,
    isNested: false,
    modelLabel: model,
  }))
}

/** The id under which the calls of a user stand: an alias of another is that one. */
async function personOf(store: Store, user: string): Promise<string> {
  const [found] = await store.all<{ id: number }>('SELECT user_id AS id FROM users WHERE name = ?', user)
  const aliases = await store.all<{ id: number; other: number }>(
    'SELECT from_user_id AS id, to_user_id AS other FROM aliases WHERE undone_ms IS NULL',
  )
  let id = found?.id
  for (let next = id; next !== undefined; next = aliases.find((alias) => alias.id === id)?.other) id = next
  return String(id)
}

/** The calls without a user, and those of them that failed for what their model did. */
async function anonymousCalls(
  store: Store,
  { fromMs, toMs }: { fromMs: number; toMs: number },
): Promise<{ requests: number; modelErrors: number }> {
  const [counted] = await store.all<{ requests: number; modelErrors: number }>(
    `SELECT count(*) AS requests, coalesce(sum(k.status = 'error' AND k.error_class IN ('server_error', 'model_error', 'timeout', 'format_error', 'other')), 0)
       AS modelErrors FROM llm_calls AS c JOIN kinds AS k USING (kind_id)
     WHERE c.counted = 1 AND c.user_id = 0 AND c.start_ms >= ? AND c.start_ms < ?`,
    fromMs,
    toMs,
  )
  return { requests: counted?.requests ?? 0, modelErrors: counted?.modelErrors ?? 0 }
}

/** Whether the user of a call, if it was the last of its session, disliked it: by one call and one thumb at a time. */
async function dislikedLastCalls(store: Store, asOfMs: number): Promise<(call: UserCall | undefined) => boolean> {
  const thumbs = await store.all<{ user: number; session: number; at: number; kind: string; target: string; value: number }>(
    `SELECT e.user_id AS user, e.session_id AS session, e.start_ms AS at, e.target_kind AS kind, e.target, e.value FROM events AS e
     JOIN event_subjects AS s USING (subject_id) WHERE s.kind = 'feedback' AND e.start_ms < ? ORDER BY e.start_ms, e.span_id, e.trace_id`,
    asOfMs,
  )
  const latest = new Map(
    thumbs.map((thumb) => [`${thumb.user} ${thumb.kind} ${thumb.kind === 'session' ? thumb.session : thumb.target}`, thumb]),
  )
  const answered = new Set(
    (await store.all<{ id: string }>('SELECT hex(span_id) || hex(trace_id) AS id FROM llm_calls WHERE response_hash IS NOT NULL')).map(
      ({ id }) => id,
    ),
  )
  return (call) => {
    if (call === undefined) return false
    const [span, trace] = [call.id.slice(0, 16).toLowerCase(), call.id.slice(16).toLowerCase()]
    return [...latest.values()].some(({ user, session, at, kind, target, value }) => {
      if (value !== 0 || String(user) !== call.user || at < call.startMs - 60_000 || at > call.startMs + 7 * 24 * HOUR_MS) return false
      if (kind === 'call') return target === `${trace}-${span}`
      if (kind === 'response' && answered.has(call.id)) return target === `r${Number.parseInt(span, 16)}`
      if (kind !== 'response' && (kind !== 'session' || session === 0)) return false
      const goesOnMs = session === 0 ? HOUR_MS / 2 : 24 * HOUR_MS
      return (session === 0 ? undefined : String(session)) === call.session && at >= call.startMs && at < call.endMs + goesOnMs
    })
  }
}

interface Asked {
  readonly fromMs: number
  readonly toMs: number
  readonly asOfMs: number
}

/** What the three reports should say, computed from all calls at once. */
async function naive(store: Store, { fromMs, toMs, asOfMs }: Asked, user?: string): Promise<Record<string, unknown>> {
  const only = user === undefined ? undefined : await personOf(store, user)
  const known = (await callsOf(store)).filter((call) => call.startMs < asOfMs && (only === undefined || call.user === only))
  const isWithin = ({ startMs }: { startMs: number }): boolean => startMs >= fromMs && startMs < toMs
  const all = sessionize(known, { asOfMs, retries: new Map() })
  const sessions = all.filter(isWithin)
  const calls = known.filter(isWithin)
  const nobodys =
    user === undefined ? await anonymousCalls(store, { fromMs, toMs: Math.min(toMs, asOfMs) }) : { requests: 0, modelErrors: 0 }
  const requests = calls.length + nobodys.requests
  const said = new Map(
    (
      await store.all<{ session: number; kind: string; outcome: string }>(
        `SELECT e.session_id AS session, s.kind, e.outcome FROM events AS e JOIN event_subjects AS s USING (subject_id)
         WHERE e.start_ms < ? AND e.session_id <> 0 AND s.kind <> 'feedback' ORDER BY s.kind, e.start_ms, e.span_id`,
        asOfMs,
      )
    ).map(
      ({ session, outcome }) => [String(session), outcome === 'success' || outcome === 'completed' ? 'completed' : 'abandoned'] as const,
    ),
  )
  const isDisliked = await dislikedLastCalls(store, asOfMs)
  const saidOf = ({ name, calls: own }: Session): SaidOfSession => ({
    outcome: name === undefined ? undefined : said.get(name.split('#')[0] ?? name),
    lastAnswerDisliked: isDisliked(own.at(-1)),
  })
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: ZONE,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  })
  const local = (ms: number): { day: number; hour: number } => {
    const [day = '', hour = ''] = format.format(ms).split(', ')
    return { day: Number(day.replaceAll('-', '')), hour: Number(hour) }
  }
  const everything = await callsOf(store)
  const calendarDaysOf = (own: readonly { user: string }[]): number => {
    let days = 0
    for (const one of new Set(own.map((call) => call.user))) {
      const firstMs = Math.min(...everything.filter((call) => call.user === one).map(({ startMs }) => startMs))
      const seen = new Set<number>()
      const [beginMs, lastMs] = [Math.max(fromMs, firstMs), Math.min(toMs, asOfMs) - 1]
      for (let ms = beginMs; ms < lastMs; ms += HOUR_MS) seen.add(local(ms).day)
      days += seen.add(local(lastMs).day).size
    }
    return days
  }
  const found = friction({ calls, sessions, retries: new Map(), powerUsers: new Set(), saidOf })
  return {
    session_metrics: sessions.length === 0 ? [] : [withReason(sessionMetrics(sessions, { asOfMs, saidOf, all }))],
    behavior: requests === 0 ? [] : [{ ...usagePatterns(calls, { sessions, local, calendarDays: calendarDaysOf(calls) }), requests }],
    friction:
      requests === 0 ? [] : [found.abandonment.patterns, found.abandonment.sessions, found.modelErrors + nobodys.modelErrors, requests],
  }
}

function withReason(metrics: SessionMetrics): SessionMetrics & { reason: string | null } {
  return { ...metrics, reason: metrics.return_24h_known === 0 ? 'censored' : null }
}

/** The same from the reports. */
async function reported(store: Store, { fromMs, toMs, asOfMs }: Asked, more: ReportParams = {}): Promise<Record<string, unknown>> {
  const analytics = openAnalytics(store, { now: () => asOfMs })
  const params = { since: new Date(fromMs).toISOString(), until: new Date(toMs).toISOString(), ...more }
  const rowsOf = async (name: string): Promise<readonly Row[]> => (await analytics.report(name, params)).rows
  const list = (cell: unknown): string[] =>
    String(cell)
      .split(', ')
      .filter((text) => text !== '')
  const frictions = await rowsOf('friction')
  const patterns = frictions.filter((row) => row['friction'] === 'abandoned_sessions')
  const errors = frictions.find((row) => row['friction'] === 'model_errors')
  return {
    session_metrics: await rowsOf('session_metrics'),
    behavior: (await rowsOf('behavior')).map((row) => ({
      requests: row['requests'],
      userDays: row['user_days'],
      requestsPerActiveDay: row['requests_per_active_day'],
      requestsPerCalendarDay: row['requests_per_calendar_day'],
      peakHours: list(row['peak_hours']).map(Number),
      sessionLengthAvgS: row['session_length_avg_s'],
      favoriteFeatures: list(row['favorite_features']),
      preferredModels: list(row['preferred_models']),
    })),
    friction:
      errors === undefined
        ? []
        : [
            patterns.map((row) => ({ pattern: row['what'], share: row['share'], lift: row['lift'] })),
            patterns[0]?.['of'],
            errors['n'],
            errors['of'],
          ],
  }
}

/** Numbers to nine places: means are summed in another order. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, one: unknown) => (typeof one === 'number' ? Number(one.toPrecision(9)) : one))
}

describe('how users behaved, whatever happened in whatever order', () => {
  it('is told from what is kept as from the calls, and as it is computed from all of them at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 3, maxLength: 12 }),
        fc.record({ from: fc.nat(9), days: fc.integer({ min: 1, max: 12 }), asOfHours: fc.integer({ min: 12, max: 24 * 14 }) }),
        async (steps, { from, days, asOfHours }) => {
          const store = await ledgerOf([], { timeZone: ZONE })
          for (const [n, one] of steps.entries()) await play(store, one, n)
          const asOfMs = START_MS + asOfHours * HOUR_MS
          // Midnight in New York, where no clock was changed that month.
          const midnight = START_MS + 5 * HOUR_MS
          const all = { fromMs: START_MS - 24 * HOUR_MS, toMs: asOfMs + HOUR_MS, asOfMs }
          const some = { fromMs: midnight + from * 24 * HOUR_MS, toMs: midnight + (from + days) * 24 * HOUR_MS, asOfMs }
          for (const asked of [all, some]) {
            const wanted = rounded(await naive(store, asked))
            const found = rounded(await reported(store, asked)) as { friction: unknown[] }
            expect(found).toEqual(withoutUntold(wanted, found))
            const ofOne = rounded(await reported(store, asked, { user: 'ann' })) as { friction: unknown[] }
            expect(ofOne).toEqual(withoutUntold(rounded(await naive(store, asked, 'ann')), ofOne))
            const fromCalls = rounded(await reported(store, asked, { where: 'exists status' })) as { friction: unknown[] }
            expect(fromCalls).toEqual(withoutUntold(wanted, fromCalls))
          }
          await store.close()
        },
      ),
      { numRuns: 30 },
    )
  })
})

/** The friction report says how many sessions were abandoned only beside a pattern. */
function withoutUntold(wanted: unknown, found: { friction: unknown[] }): unknown {
  const { friction: told, ...rest } = wanted as { friction: unknown[] }
  return { ...rest, friction: told.length === 0 || (found.friction[0] as unknown[]).length > 0 ? told : [told[0], null, ...told.slice(2)] }
}
