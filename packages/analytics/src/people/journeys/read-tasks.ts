import { filterSql } from '../../plan/compile-filter.ts'
import { raw, sql } from '../../ledger/fragment.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { taskOf, type Task, type TaskWord } from '../../journey/tasks.ts'
import { QueryError } from '../../query/query-error.ts'
import { readColumns, readRows } from '../../ledger/snapshot.ts'

/** A goal that belongs to no task: whether it was reached, by the latest word on it. */
export interface Goal {
  readonly name: string
  readonly ms: number
  readonly isReached: boolean
  readonly session: number
}

/** Tasks that began, and goals that were told, in the period. */
export interface ReadTasks {
  readonly tasks: readonly Task[]
  readonly goals: readonly Goal[]
}

/**
 * Reads what was said of tasks before `as_of` (`track.task`, and goals with a task), of each user and task id in the order of time; and goals
 * without a task.
 * @throws QueryError for a filter by what only calls have
 */
export async function readTasks(frame: Frame, { isBegun, timeoutMs }: { isBegun: boolean; timeoutMs: number }): Promise<ReadTasks> {
  const { clock, period } = frame
  // All history begins with the first call; an event may have been before it.
  const fromMs = isBegun ? period.fromMs : 0
  const isWithin = (ms: number): boolean => ms >= fromMs && ms < period.toMs
  const tasks: Task[] = []
  for await (const words of readWords(frame)) {
    const task = taskOf(words, { timeoutMs, asOfMs: clock.asOfMs })
    if (isWithin(task.startMs)) tasks.push(task)
  }
  const goals = (await readGoals(frame)).filter(({ ms }) => isWithin(ms))
  return { tasks, goals }
}

async function whereSql(frame: Frame) {
  if (frame.where === undefined) return raw('1')
  const where = filterSql(frame.where, 'goals', await scopeOf(frame, { fromMs: 0, toMs: frame.clock.asOfMs }))
  if (where !== undefined) return where
  throw new QueryError('Tasks are filtered by user, session, property and segment; only calls have a model, a cost, a latency.', {
    given: 'where',
  })
}

/** What was said of one task after the other. Where no user is known, a session tells one visitor's ids from another's. */
async function* readWords(frame: Frame): AsyncGenerator<TaskWord[]> {
  const columns = ['user_id', 'visitor', 'task', 'kind', 'name', 'step', 'outcome', 'start_ms', 'session_id']
  const [userIds = [], visitors = [], ids = [], kinds = [], names = [], steps = [], outcomes = [], starts = [], sessions = []] =
    await readColumns<string | number | null>(
      frame.store,
      sql`SELECT ${raw(columns.map((name) => `json_group_array(${name}) AS ${name}`).join(', '))} FROM (
      SELECT c.user_id, iif(c.user_id = 0, c.session_id, 0) AS visitor, c.task, s.kind, s.name, c.step, c.outcome, c.start_ms, c.session_id
      FROM event_subjects AS s CROSS JOIN events AS c ON c.subject_id = s.subject_id
      WHERE s.kind IN ('task', 'goal') AND c.task IS NOT NULL AND c.outcome IS NOT NULL AND c.start_ms < ${frame.clock.asOfMs} AND ${await whereSql(frame)}
      ORDER BY c.user_id, visitor, c.task, c.start_ms, c.start_fraction, c.span_id, c.trace_id)`,
    )
  let words: TaskWord[] = []
  let named: string | undefined
  for (let n = 0; n < userIds.length; n++) {
    const outcome = outcomes[n]
    // A goal may be called by what is to be reached; what the task itself is called goes first.
    if (kinds[n] === 'task') named ??= String(names[n])
    words.push({
      name: String(names[n]),
      step: steps[n] === null ? undefined : String(steps[n]),
      state: outcome === 'success' || outcome === 'completed' ? 'completed' : outcome === 'started' ? 'started' : 'failed',
      ms: Number(starts[n]),
      session: Number(sessions[n]),
    })
    if (userIds[n + 1] === userIds[n] && visitors[n + 1] === visitors[n] && ids[n + 1] === ids[n]) continue
    const [first] = words
    if (first !== undefined && named !== undefined) words[0] = { ...first, name: named }
    yield words
    words = []
    named = undefined
  }
}

async function readGoals(frame: Frame): Promise<Goal[]> {
  const rows = await readRows<[name: string, ms: number, outcome: string, session: number]>(
    frame.store,
    // With one max() the other columns are those of its row (https://www.sqlite.org/lang_select.html#bareagg, read 2026-11-25).
    sql`SELECT json_group_array(json_array(name, start_ms, outcome, session_id)) AS rows FROM (
      SELECT s.name, c.start_ms, c.outcome, c.session_id,
        max(printf('%019d', c.start_ms * 1024 + c.start_fraction) || hex(c.span_id) || hex(c.trace_id))
      FROM event_subjects AS s CROSS JOIN events AS c ON c.subject_id = s.subject_id
      WHERE s.kind = 'goal' AND c.task IS NULL AND c.step IS NULL AND c.outcome IS NOT NULL AND c.start_ms < ${frame.clock.asOfMs}
        AND ${await whereSql(frame)}
      GROUP BY c.user_id, s.name, c.target_kind,
        CASE c.target_kind WHEN 'session' THEN c.session_id WHEN 'itself' THEN hex(c.span_id) || hex(c.trace_id) ELSE c.target END)`,
  )
  return rows.map(([name, ms, outcome, session]) => ({ name, ms, isReached: outcome === 'success', session }))
}

/** How many calls each of some sessions had before `as_of`. */
export async function readRequestsOf({ store, clock }: Frame, sessions: Iterable<number>): Promise<ReadonlyMap<number, number>> {
  const list = JSON.stringify([...sessions])
  return new Map(
    await readRows<[session: number, requests: number]>(
      store,
      sql`SELECT json_group_array(json_array(session_id, n)) AS rows FROM (
        SELECT c.session_id, count(*) AS n FROM llm_calls AS c
        WHERE c.counted = 1 AND c.start_ms < ${clock.asOfMs} AND c.session_id IN (SELECT value FROM json_each(${list}))
          AND c.start_ms >= (SELECT min(first_ms) FROM sessions WHERE session_id IN (SELECT value FROM json_each(${list})))
        GROUP BY c.session_id)`,
    ),
  )
}
