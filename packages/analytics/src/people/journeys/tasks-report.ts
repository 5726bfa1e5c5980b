import { groupBy } from '../../sums/group-by.ts'
import { ratio } from '../../behavior/session-metrics.ts'
import { countTasks, type Task, type TaskCount } from '../../journey/tasks.ts'
import { sum } from '../../statistics/quantiles.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { byCohort, cohortColumn } from './by-cohort.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readRequestsOf, readTasks, type Goal } from './read-tasks.ts'
import { durationOf } from '../../report-options.ts'

/** How many tasks and goals are completed, and at which steps the others stop. */
export async function tellTasks({ frame, options, interval, isBegun }: PeopleAsked): Promise<Told> {
  const timeout = options['timeout'] ?? '24h'
  const { tasks, goals } = await readTasks(frame, { isBegun, timeoutMs: durationOf('timeout', timeout) })
  const sessions = new Set([...tasks.flatMap((task) => [...task.sessions]), ...goals.map(({ session }) => session)])
  sessions.delete(0)
  const requestsOf = sessions.size === 0 ? new Map<number, number>() : await readRequestsOf(frame, sessions)
  const perGoal: PerGoal = (told) => {
    // What took calls nobody knows of is no goal that took none.
    const known = told.filter((one) => one.sessions.length > 0)
    const requests = [...new Set(known.flatMap((one) => one.sessions))].map((session) => requestsOf.get(session) ?? 0)
    return ratio(sum(requests), known.filter(({ isReached }) => isReached).length)
  }
  const dayOf = (one: Task | Goal): number => timeKeyOfDay('day', frame.zone.day(isGoal(one) ? one.ms : one.startMs))
  const rows = byCohort<Task | Goal, Cells>([...tasks, ...goals], { interval, dayOf }, (own) => [
    ...taskRows(
      own.flatMap((one) => (isGoal(one) ? [] : [one])),
      perGoal,
    ),
    ...goalRows(own.filter(isGoal), perGoal),
  ])
  return {
    columns: {
      ...cohortColumn(interval, 'the begin of the tasks'),
      kind: ['Kind', 'string', 'task: all tasks of a name; step: one step of them; goal: a goal that belongs to no task'],
      name: ['Name', 'string', 'what the app calls it'],
      step: ['Step', 'string', 'steps in the order of their median time since the begin of a task'],
      tasks: [
        'Tasks',
        'int',
        `tasks that began at least ${timeout} before as_of; of a step: those of them that came to it; of a goal: how often it was told`,
      ],
      completed: ['Completed', 'int', 'the app said so in time; of a goal: reached'],
      failed: ['Failed', 'int', 'the app said so, or the last word is that a step failed; of a goal: missed'],
      timed_out: ['Timed out', 'int', `no end was said within ${timeout} after the begin; of a step: it began and did not end`],
      open: [
        'Open',
        'int',
        `tasks that began less than ${timeout} before as_of, whether or not they have ended; they are not in the other columns`,
      ],
      completion_rate: ['Completed %', 'rate', 'completed / tasks', ['completed', 'tasks']],
      in_chain: ['In chain', 'int', 'tasks that completed this step and all before it; of a task: all its steps'],
      chain_rate: ['Chain %', 'rate', 'in_chain / tasks of the name', ['in_chain', 'closed']],
      drop_off: [
        'Drop-off',
        'rate',
        'of the tasks that completed all steps before: the share that did not complete this one',
        ['dropped', 'before'],
      ],
      duration_p50_s: ['Duration p50', 's', 'median time of the completed ones from the begin to the end; of steps whose begin was told'],
      duration_p90_s: ['Duration p90', 's', 'nine of ten were faster'],
      requests_per_goal: [
        'Requests/goal',
        'number',
        'calls in the sessions in which it was told / completed, of those that name a session; null where no such one is completed',
      ],
      reason: ['Why unknown', 'string', 'censored: all began too lately'],
    },
    rows,
    totals: totalsOf(tasks, rows),
    warnings:
      tasks.length + goals.length === 0
        ? ['no task and no goal was told: track.task and track.goal, or spans spanledger.task, tell them']
        : [],
  }
}

function isGoal(one: Task | Goal): one is Goal {
  return 'isReached' in one
}

type Cells = Readonly<Record<string, string | number | null>>
/** Of all tasks. Tasks of another name have other steps: which of them did all of theirs stands in the rows. */
function totalsOf(tasks: readonly Task[], rows: readonly Cells[]): Cells {
  const [all] = countTasks(tasks)
  const chains = rows.flatMap(({ kind, in_chain: inChain }) => (kind === 'task' && typeof inChain === 'number' ? [inChain] : []))
  return all === undefined ? {} : countCells({ ...all, inChain: chains.length === 0 ? null : sum(chains) })
}

type PerGoal = (told: readonly { readonly sessions: readonly number[]; readonly isReached: boolean }[]) => number | null

function taskRows(tasks: readonly Task[], perGoal: PerGoal): Cells[] {
  const byName = [...groupBy(tasks, ({ name }) => name)].sort(([a], [b]) => (a < b ? -1 : 1))
  return byName.flatMap(([name, own]) => {
    const closed = own.filter(({ state }) => state !== 'open')
    const requestsPerGoal = perGoal(closed.map(({ sessions, state }) => ({ sessions: [...sessions], isReached: state === 'completed' })))
    const reason = closed.length === 0 ? 'censored' : null
    return countTasks(own).map((count) => taskCells(count, { name, requestsPerGoal, reason }))
  })
}

function taskCells(
  count: TaskCount,
  { name, requestsPerGoal, reason }: { name: string; requestsPerGoal: number | null; reason: string | null },
): Cells {
  return {
    kind: count.step === undefined ? 'task' : 'step',
    name,
    step: count.step ?? null,
    ...countCells(count),
    chain_rate: count.chainRate,
    closed: count.closed,
    drop_off: count.dropOff,
    dropped: count.before === null ? null : count.before - (count.inChain ?? 0),
    before: count.before,
    duration_p50_s: count.secondsP50,
    duration_p90_s: count.secondsP90,
    requests_per_goal: count.step === undefined ? requestsPerGoal : null,
    reason,
  }
}

function countCells({ tasks, completed, failed, timedOut, open, rate, inChain }: TaskCount) {
  return { tasks, completed, failed, timed_out: timedOut, open, completion_rate: rate, in_chain: inChain }
}

function goalRows(goals: readonly Goal[], perGoal: PerGoal): Cells[] {
  const byName = [...groupBy(goals, ({ name }) => name)].sort(([a], [b]) => (a < b ? -1 : 1))
  return byName.map(([name, own]) => {
    const reached = own.filter(({ isReached }) => isReached).length
    return {
      kind: 'goal',
      name,
      step: null,
      tasks: own.length,
      completed: reached,
      failed: own.length - reached,
      timed_out: null,
      open: null,
      completion_rate: ratio(reached, own.length),
      in_chain: null,
      chain_rate: null,
      drop_off: null,
      duration_p50_s: null,
      duration_p90_s: null,
      requests_per_goal: perGoal(own.map(({ session, isReached }) => ({ sessions: session === 0 ? [] : [session], isReached }))),
      reason: null,
    }
  })
}
