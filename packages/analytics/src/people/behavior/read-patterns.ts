import { compileBase, durationBucketSql } from '../../plan/compile.ts'
import { COMPLEX, complexitySql, MODERATE } from '../../behavior/complexity.ts'
import type { Dimension } from '../../query/dimensions.ts'
import type { Week } from '../../behavior/user-history.ts'
import { Durations } from '../../sums/durations.ts'
import { join, raw, sql, type Fragment } from '../../ledger/fragment.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import type { Key } from '../../plan/scope.ts'
import { readRows } from '../../ledger/snapshot.ts'

/** Calls further apart are of two sessions: without a session id, and with the same. */
const IDLE_MS = 30 * 60_000
const SPLIT_MS = 24 * 3_600_000
/** Users with fewer calls say nothing of how loyal they are to a model. */
const MIN_REQUESTS = 5
const STICKY_SHARE = 0.8

/** How the users of one group ask: how often, of what size, which models. Counts by bucket are those of durations. */
export interface Patterns {
  readonly label: Key
  requests: number
  users: number
  /** Calls that reported tokens, and sums over them. */
  sized: { n: number; complexity: number; simple: number; complex: number; output: number; reasoning: number }
  /** Requests of users on days on which they called. */
  readonly perDay: Durations
  /** The same in weeks. */
  readonly perWeek: Durations
  /** From the end of a call to the start of the next one in the user's session, in ms. */
  readonly gaps: Durations
  readonly input: Durations
  readonly output: Durations
  readonly reasoning: Durations
  /** Of users with at least five calls: means over them. */
  loyal: { users: number; topShare: number; concentration: number; switchRate: number; sticky: number } | undefined
}

const input =
  'c.input_tokens + c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens + c.audio_input_tokens + c.audio_cache_read_tokens + c.image_input_tokens'
const output = 'c.output_tokens + c.audio_output_tokens + c.image_output_tokens'
const reasoning = 'c.reasoning_tokens'
const isSized = "c.kind_id IN (SELECT kind_id FROM kinds WHERE usage_quality <> 'missing')"
const modelLabel = "(SELECT m.requested_model || '/' || m.provider FROM models AS m WHERE m.model_id = c.model_id)"

/** By group of a property, or of everybody. Everything is added up in SQLite: a ledger has more calls than fit in memory. */
export async function readPatterns(frame: Frame, property: Dimension | undefined, week: Week): Promise<Patterns[]> {
  const read = await openReading(frame, property)
  const groups = new Map<string, Patterns>()
  const of = (key: Key = null, label: Key = null): Patterns => {
    const name = JSON.stringify(key)
    let one = groups.get(name)
    if (one === undefined) groups.set(name, (one = emptyPatterns(label)))
    return one
  }
  for (const [key, label, requests, users, n, complexity, simple, complex, out, thought] of await read.groups()) {
    Object.assign(of(key, label), { requests: Number(requests), users: Number(users) })
    of(key).sized = {
      n: Number(n),
      complexity: Number(complexity),
      simple: Number(simple),
      complex: Number(complex),
      output: Number(out),
      reasoning: Number(thought),
    }
  }
  for (const [name, tokens] of [
    ['input', input],
    ['output', output],
    ['reasoning', reasoning],
  ] as const)
    for (const [key, bucket, count] of await read.tokens(tokens)) of(key)[name].add(Number(bucket), Number(count))
  for (const [key, bucket, count] of await read.gaps()) of(key).gaps.add(Number(bucket), Number(count))
  for (const [key, bucket, count] of await read.per('day')) of(key).perDay.add(Number(bucket), Number(count))
  for (const [key, bucket, count] of await read.per(week)) of(key).perWeek.add(Number(bucket), Number(count))
  const switches = new Map((await read.switches()).map(([key, rate]) => [JSON.stringify(key), Number(rate)]))
  for (const [key, users, topShare, concentration, sticky] of await read.models()) {
    of(key).loyal = {
      users: Number(users),
      topShare: Number(topShare),
      concentration: Number(concentration),
      switchRate: switches.get(JSON.stringify(key)) ?? 0,
      sticky: Number(sticky),
    }
  }
  return [...groups.values()]
    .filter(({ requests }) => requests > 0)
    .toSorted((a, b) => b.requests - a.requests || (String(a.label) < String(b.label) ? -1 : 1))
}

function emptyPatterns(label: Key): Patterns {
  return {
    label,
    requests: 0,
    users: 0,
    sized: { n: 0, complexity: 0, simple: 0, complex: 0, output: 0, reasoning: 0 },
    perDay: new Durations(),
    perWeek: new Durations(),
    gaps: new Durations(),
    input: new Durations(),
    output: new Durations(),
    reasoning: new Durations(),
    loyal: undefined,
  }
}

async function openReading(frame: Frame, property: Dimension | undefined) {
  const scope = await scopeOf(frame, frame.period)
  const base = compileBase({ source: 'calls', dimensions: property === undefined ? [] : [property], sums: [], needs: [] }, scope)
  // The calls know every dimension.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const key = base.dimensions[0]?.key ?? raw('NULL')
  const label = base.dimensions[0]?.label('k0') ?? raw('NULL')
  const rows = (columns: string, from: Fragment): Promise<Key[][]> =>
    readRows<Key[]>(frame.store, sql`SELECT json_group_array(json_array(${raw(columns)})) AS rows FROM (${from})`)
  const index = complexitySql({ input, output, reasoning })
  const buckets = (value: string, from: Fragment): Promise<Key[][]> =>
    rows('k0, bucket, n', sql`SELECT k0, ${raw(durationBucketSql(value))} AS bucket, count(*) AS n FROM (${from}) GROUP BY k0, bucket`)
  // What a user did in a group, in its order: the call before each.
  const inOrder = (columns: Fragment, within: string): Fragment => sql`SELECT ${key} AS k0, c.user_id AS user_id, ${columns}
    ${base.from} AND c.user_id <> 0 WINDOW w AS (PARTITION BY ${key}, ${raw(within)} ORDER BY c.start_ms, c.span_id, c.trace_id)`
  return {
    groups: () =>
      readRows<Key[]>(
        frame.store,
        sql`SELECT json_group_array(json_array(k0, ${label}, requests, users, sized, complexity, simple, complex, output, reasoning)) AS rows FROM (
          SELECT k0, count(*) AS requests, count(DISTINCT nullif(user_id, 0)) AS users, count(index_of) AS sized, coalesce(sum(index_of), 0) AS complexity,
            sum(index_of < ${MODERATE}) AS simple, sum(index_of >= ${COMPLEX}) AS complex, coalesce(sum(visible), 0) AS output, coalesce(sum(thought), 0) AS reasoning
          FROM (SELECT ${key} AS k0, c.user_id AS user_id, ${raw(`iif(${isSized}, ${index}, NULL) AS index_of, ${output} AS visible, ${reasoning} AS thought`)} ${base.from})
          GROUP BY k0)`,
      ),
    tokens: (tokens: string) => buckets('v', sql`SELECT ${key} AS k0, ${raw(tokens)} AS v ${base.from} AND ${raw(isSized)}`),
    gaps: () => {
      const gaps = inOrder(
        raw('c.session_id AS session_id, c.start_ms - lag(c.start_ms + c.latency_ms) OVER w AS gap'),
        'c.user_id, c.session_id',
      )
      return buckets('gap', sql`SELECT k0, gap FROM (${gaps}) WHERE gap >= 0 AND gap < iif(session_id = 0, ${IDLE_MS}, ${SPLIT_MS})`)
    },
    per: (step: 'day' | Week) => {
      const dimensions: Dimension[] = [...(property === undefined ? [] : [property]), { kind: 'time', step }]
      const byTime = compileBase({ source: 'calls', dimensions, sums: [], needs: [] }, scope)
      const time = byTime?.dimensions.at(-1)?.key ?? raw('NULL')
      return buckets(
        'n',
        sql`SELECT ${key} AS k0, count(*) AS n ${byTime?.from ?? base.from} AND c.user_id <> 0 GROUP BY k0, c.user_id, ${time}`,
      )
    },
    switches: () =>
      rows(
        'k0, rate',
        sql`SELECT k0, avg(rate) AS rate FROM (SELECT k0, CAST(sum(this <> prev) AS REAL) / (count(*) - 1) AS rate FROM (${inOrder(raw(`${modelLabel} AS this, lag(${modelLabel}) OVER w AS prev`), 'c.user_id')})
          GROUP BY k0, user_id HAVING count(*) >= ${MIN_REQUESTS}) GROUP BY k0`,
      ),
    models: () =>
      rows(
        'k0, users, top, concentration, sticky',
        sql`SELECT k0, count(*) AS users, avg(top) AS top, avg(concentration) AS concentration, sum(top >= ${STICKY_SHARE}) AS sticky FROM (
          SELECT k0, user_id, CAST(max(n) AS REAL) / sum(n) AS top, CAST(sum(n * n) AS REAL) / (sum(n) * sum(n)) AS concentration FROM (
            SELECT ${join([sql`${key} AS k0`, raw('c.user_id AS user_id'), raw('count(*) AS n')], ', ')} ${base.from} AND c.user_id <> 0 GROUP BY k0, c.user_id, ${raw(modelLabel)})
          GROUP BY k0, user_id HAVING sum(n) >= ${MIN_REQUESTS}) GROUP BY k0`,
      ),
  }
}
