import type { Answer, ReportParams } from '@spanledger/analytics'

import { LEDGER_NOW_MS } from './random-ledger.ts'

/** A report, and the same question as a person would write it in SQL over one table of calls. */
export interface Question {
  readonly report: string
  readonly params: ReportParams
  readonly sql: string
  /** Figures of the report that the SQL has too, a line each; undefined where none can be compared. */
  readonly ours?: (answer: Answer) => string[]
  readonly theirs?: (rows: readonly (readonly unknown[])[]) => string[]
}

export const createTable = `CREATE TABLE calls (start_ms BIGINT, latency_ms BIGINT, ttft_ms BIGINT, usr VARCHAR, session VARCHAR, model VARCHAR,
  provider VARCHAR, status VARCHAR, error VARCHAR, cost BIGINT, input BIGINT, cache_read BIGINT, cache_write BIGINT, output BIGINT, reasoning BIGINT,
  plan VARCHAR, feature VARCHAR, environment VARCHAR, app_version VARCHAR, tenant VARCHAR)`

const DAY_MS = 86_400_000
const NOW_DAY = LEDGER_NOW_MS / DAY_MS
const DAY = `start_ms // ${DAY_MS}`

/** What every breakdown says of its calls. */
const figures = `count(*), count(DISTINCT usr), sum(cost), sum(cost) / count(*), sum(input), sum(cache_read), sum(cache_write), sum(output),
  sum(reasoning), sum(input + cache_read + cache_write + output + reasoning), avg(latency_ms), quantile_disc(latency_ms, 0.5), quantile_disc(latency_ms, 0.95),
  quantile_disc(ttft_ms, 0.5), count(*) FILTER (status = 'error'), avg((status = 'error')::INT), count(*) FILTER (cost IS NULL)`

/** A session is split where a day lies between two calls. */
const sessions = `gaps AS (SELECT *, start_ms - lag(start_ms + latency_ms) OVER (PARTITION BY usr, session ORDER BY start_ms) >= ${DAY_MS} AS is_new
    FROM calls WHERE usr IS NOT NULL),
  parts AS (SELECT *, count(*) FILTER (is_new) OVER (PARTITION BY usr, session ORDER BY start_ms) AS part FROM gaps),
  sessions AS (SELECT usr, session, part, count(*) AS n, min(start_ms) AS begun, max(start_ms + latency_ms) AS ended,
    arg_max(status, start_ms) AS last_status, arg_max(error, start_ms) AS last_error FROM parts GROUP BY ALL)`

const days = `days AS (SELECT DISTINCT usr, ${DAY} AS day FROM calls WHERE usr IS NOT NULL)`

const month = (day: string): string => `strftime(epoch_ms(${day} * ${DAY_MS}), '%Y-%m')`

const inTerms = (cells: readonly unknown[]): string => cells.map(String).join(' ')
const nano = (cost: unknown): string => String(BigInt(String(cost).replace('.', '')))
const groups =
  (...keys: readonly string[]) =>
  ({ rows }: Answer): string[] =>
    rows.map((row) => inTerms(keys.map((key) => (key === 'cost_usd' ? nano(row[key]) : row[key]))))
const cells =
  (...places: readonly number[]) =>
  (rows: readonly (readonly unknown[])[]): string[] =>
    rows.map((row) => inTerms(places.map((place) => row[place])))

const retainedWeeks = [1, 2, 4, 8, 12]

export const questions: readonly Question[] = [
  {
    report: 'users',
    params: { limit: 50 },
    sql: `WITH u AS (SELECT usr, ${figures}, sum(cost) AS spent, min(start_ms), max(start_ms), count(DISTINCT ${DAY}), count(DISTINCT session),
        mode(model), mode(feature), count(*) FILTER (error = 'rate_limit'), count(DISTINCT model) FROM calls GROUP BY usr)
      SELECT *, spent / sum(spent) OVER (), percent_rank() OVER (ORDER BY spent) FROM u ORDER BY spent DESC LIMIT 50`,
    ours: groups('user', 'requests', 'cost_usd', 'total_tokens', 'errors', 'active_days', 'sessions'),
    theirs: cells(0, 1, 3, 10, 15, 21, 22),
  },
  {
    report: 'properties',
    params: { by: ['property:plan'] },
    sql: `SELECT plan, ${figures} FROM calls GROUP BY plan ORDER BY sum(cost) DESC`,
    ours: groups('plan', 'requests', 'users', 'cost_usd', 'total_tokens', 'errors'),
    theirs: cells(0, 1, 2, 3, 10, 15),
  },
  {
    report: 'models',
    params: {},
    sql: `SELECT model || '/' || provider, ${figures} FROM calls GROUP BY ALL ORDER BY sum(cost) DESC`,
    ours: groups('model', 'requests', 'users', 'cost_usd', 'total_tokens', 'errors'),
    theirs: cells(0, 1, 2, 3, 10, 15),
  },
  {
    report: 'sessions',
    params: { limit: 50 },
    sql: `SELECT session, usr, ${figures}, min(start_ms), max(start_ms), max(start_ms + latency_ms) - min(start_ms) FROM calls
      GROUP BY ALL ORDER BY sum(cost) DESC LIMIT 50`,
    ours: groups('session', 'user', 'requests', 'cost_usd', 'errors'),
    theirs: cells(0, 1, 2, 4, 16),
  },
  {
    report: 'active',
    params: {},
    sql: `WITH ${days}, every AS (SELECT unnest(range(min(day), max(day) + 1)) AS on_day FROM days)
      SELECT strftime(epoch_ms(on_day * ${DAY_MS}), '%Y-%m-%d'), count(DISTINCT usr) FILTER (day = on_day), count(DISTINCT usr) FILTER (day > on_day - 7), count(DISTINCT usr)
      FROM every JOIN days ON day BETWEEN on_day - 29 AND on_day GROUP BY on_day ORDER BY on_day`,
    ours: groups('date', 'dau', 'wau', 'mau'),
    theirs: cells(0, 1, 2, 3),
  },
  {
    report: 'growth',
    params: {},
    sql: `WITH months AS (SELECT DISTINCT usr, year(epoch_ms(start_ms)) * 12 + month(epoch_ms(start_ms)) AS mon FROM calls WHERE usr IS NOT NULL),
      seen AS (SELECT mon, lag(mon) OVER one AS before, lead(mon) OVER one AS after FROM months WINDOW one AS (PARTITION BY usr ORDER BY mon)),
      counted AS (SELECT mon, count(*) AS active, count(*) FILTER (before IS NULL) AS new, count(*) FILTER (before = mon - 1) AS stayed,
        count(*) FILTER (before < mon - 1) AS resurrected, count(*) FILTER (after IS NULL OR after > mon + 1) AS gone FROM seen GROUP BY mon)
      SELECT mon, active, new, stayed, resurrected, coalesce(lag(gone) OVER (ORDER BY mon), 0) FROM counted ORDER BY mon`,
    ours: groups('active', 'new', 'returning', 'resurrected', 'dormant'),
    theirs: cells(1, 2, 3, 4, 5),
  },
  {
    report: 'cohorts',
    params: {},
    sql: `WITH ${days}, first AS (SELECT usr, min(day) AS first FROM days GROUP BY usr)
      SELECT ${month('first')}, count(DISTINCT usr), ${retainedWeeks.map((n) => `count(DISTINCT usr) FILTER (day - first BETWEEN ${7 * (n - 1)} AND ${7 * n - 1})`).join(', ')}
      FROM days JOIN first USING (usr) GROUP BY ALL ORDER BY 1`,
    // Weeks that are not over for all are null in the report, and a count of some in SQL.
    ours: ({ rows }) =>
      rows.flatMap((row) =>
        retainedWeeks.flatMap((n) => {
          const share = row[`w${n}`]
          return typeof share === 'number' ? [`${row['cohort']} ${n} ${Math.round(share * Number(row['size']))}`] : []
        }),
      ),
    theirs: (rows) => rows.flatMap((row) => retainedWeeks.map((n, at) => `${String(row[0])} ${n} ${String(row[at + 2])}`)),
  },
  {
    report: 'segments',
    params: {},
    // The exact binomial test of at_risk is no SQL: the query has its counts, and tells by them alone.
    sql: `WITH u AS (SELECT usr, min(start_ms) // ${DAY_MS} AS first, count(*) FILTER (start_ms >= ${LEDGER_NOW_MS - 30 * DAY_MS}) AS recent,
        count(*) FILTER (start_ms >= ${LEDGER_NOW_MS - 14 * DAY_MS}) AS late, count(*) FILTER (start_ms BETWEEN ${LEDGER_NOW_MS - 28 * DAY_MS} AND ${LEDGER_NOW_MS - 14 * DAY_MS - 1}) AS early,
        count(*) AS n, sum(cost) AS cost FROM calls WHERE usr IS NOT NULL GROUP BY usr),
      bar AS (SELECT quantile_disc(recent, 0.9) AS bar FROM u WHERE recent > 0),
      s AS (SELECT *, CASE WHEN recent = 0 THEN 'churned' WHEN ${NOW_DAY} - first < 30 THEN 'new' WHEN early >= 5 AND late * 2 <= early THEN 'at_risk'
        WHEN recent >= bar THEN 'power' ELSE 'casual' END AS segment FROM u, bar)
      SELECT segment, count(*), sum(n), sum(cost) FROM s GROUP BY segment ORDER BY segment`,
    ours: ({ rows }) =>
      rows.flatMap(({ segment, users }) => (segment === 'churned' || segment === 'new' ? [`${segment} ${String(users)}`] : [])),
    theirs: (rows) => rows.map(([segment, users]) => `${String(segment)} ${String(users)}`),
  },
  {
    report: 'behavior',
    params: {},
    sql: `WITH ${days}, ${sessions}
      SELECT 'requests', NULL, count(*) FROM parts UNION ALL SELECT 'user_days', NULL, count(*) FROM days
      UNION ALL SELECT 'session_ms', NULL, avg(ended - begun)::BIGINT FROM sessions
      UNION ALL (SELECT 'hour', (start_ms // 3600000 % 24)::VARCHAR, count(*) FROM parts GROUP BY ALL ORDER BY 3 DESC LIMIT 3)
      UNION ALL (SELECT 'feature', feature, count(*) FROM parts GROUP BY ALL ORDER BY 3 DESC LIMIT 3)
      UNION ALL (SELECT 'model', model || '/' || provider, count(*) FROM parts GROUP BY ALL ORDER BY 3 DESC LIMIT 3)`,
    ours: ({ rows }) => [`requests ${String(rows[0]?.['requests'])}`, `user_days ${String(rows[0]?.['user_days'])}`],
    theirs: (rows) => rows.map((row) => inTerms([row[0], row[2]])),
  },
  {
    report: 'friction',
    params: {},
    sql: `WITH ${sessions},
      u AS (SELECT usr, count(*) AS recent FROM calls WHERE usr IS NOT NULL AND start_ms >= ${LEDGER_NOW_MS - 30 * DAY_MS} GROUP BY usr),
      power AS (SELECT usr FROM u WHERE recent >= (SELECT quantile_disc(recent, 0.9) FROM u))
      SELECT 'abandoned', last_error, count(*), (SELECT count(*) FROM sessions) FROM sessions WHERE last_status <> 'ok' GROUP BY ALL
      UNION ALL SELECT 'rate_limits', 'power users', count(DISTINCT usr), (SELECT count(*) FROM power) FROM calls JOIN power USING (usr) WHERE error = 'rate_limit'
      UNION ALL SELECT 'model_errors', 'requests', count(*) FILTER (status = 'error' AND error <> 'rate_limit'), count(*) FROM parts`,
    ours: ({ rows }) => rows.flatMap(({ friction, n, of }) => (friction === 'model_errors' ? [inTerms([friction, n, of])] : [])),
    theirs: (rows) => rows.map((row) => inTerms([row[0], row[2], row[3]])),
  },
]
