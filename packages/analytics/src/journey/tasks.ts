import { ratio } from '../behavior/session-metrics.ts'
import { median, quantile } from '../statistics/quantiles.ts'

/** What was said of a task, or of a step of it. */
export interface TaskWord {
  readonly name: string
  /** Undefined where the whole task is meant. */
  readonly step: string | undefined
  readonly state: 'started' | 'completed' | 'failed'
  readonly ms: number
  /** Of the ledger; 0 is none. */
  readonly session: number
}

/** How a task went. */
export interface Task {
  readonly name: string
  readonly startMs: number
  /** `open`: its time is not over yet, whether or not its end was said already. */
  readonly state: 'completed' | 'failed' | 'timed_out' | 'open'
  readonly endMs: number | undefined
  readonly steps: ReadonlyMap<string, TaskStep>
  readonly sessions: ReadonlySet<number>
}

export interface TaskStep {
  readonly startMs: number
  readonly state: TaskWord['state']
  readonly endMs: number
  /** Whether its begin was said, so that it is known how long it took. */
  readonly isTimed: boolean
}

/**
 * How a task went, by what was said of it in the order of time. What is said once its time is over comes too late. Without a word on the
 * whole task it has failed where the last word is that a step did, and timed out otherwise.
 */
export function taskOf(words: readonly TaskWord[], { timeoutMs, asOfMs }: { readonly timeoutMs: number; readonly asOfMs: number }): Task {
  const startMs = words[0]?.ms ?? 0
  const heard = words.filter(({ ms }) => ms < startMs + timeoutMs)
  const steps = new Map<string, TaskStep>()
  for (const { step, state, ms } of heard) {
    if (step === undefined) continue
    const known = steps.get(step)
    steps.set(step, { startMs: known?.startMs ?? ms, state, endMs: ms, isTimed: known?.isTimed ?? state === 'started' })
  }
  const end = heard.findLast(({ step, state }) => step === undefined && state !== 'started')
  const last = heard.at(-1)
  const ended = end ?? (last?.state === 'failed' ? last : undefined)
  const state =
    startMs + timeoutMs > asOfMs ? 'open' : ended?.state === 'completed' || ended?.state === 'failed' ? ended.state : 'timed_out'
  return {
    name: words[0]?.name ?? '',
    startMs,
    state,
    endMs: ended?.ms,
    steps,
    sessions: new Set(heard.map(({ session }) => session).filter((session) => session !== 0)),
  }
}

/** Tasks of one name in numbers, or one step of them. */
export interface TaskCount {
  readonly step: string | undefined
  /** Whose time is over; of a step: those of them that came to it. */
  readonly tasks: number
  readonly completed: number
  readonly failed: number
  readonly timedOut: number
  readonly open: number
  readonly rate: number | null
  /** Tasks that completed this step and all before it; of the whole: all steps. Null where no steps were said. */
  readonly inChain: number | null
  readonly chainRate: number | null
  /** Tasks of the name whose time is over. */
  readonly closed: number
  /** Of these, those that completed the steps before; null of the whole. */
  readonly before: number | null
  /** Of those that completed the steps before: the share that did not complete this one. */
  readonly dropOff: number | null
  readonly secondsP50: number | null
  readonly secondsP90: number | null
}

/** Tasks of one name: the whole first, then each step in the order in which it is taken. */
export function countTasks(tasks: readonly Task[]): TaskCount[] {
  const closed = tasks.filter(({ state }) => state !== 'open')
  let chain = closed
  const steps = stepsInOrder(closed).map((step) => {
    const before = chain.length
    chain = chain.filter(({ steps: own }) => own.get(step)?.state === 'completed')
    return countStep(step, { tasks, closed, before, inChain: chain.length })
  })
  const completed = closed.filter(({ state }) => state === 'completed')
  const count = (wanted: Task['state']): number => tasks.filter(({ state }) => state === wanted).length
  const whole: TaskCount = {
    step: undefined,
    tasks: closed.length,
    completed: completed.length,
    failed: count('failed'),
    timedOut: count('timed_out'),
    open: count('open'),
    rate: ratio(completed.length, closed.length),
    inChain: steps.length === 0 ? null : chain.length,
    chainRate: steps.length === 0 ? null : ratio(chain.length, closed.length),
    closed: closed.length,
    before: null,
    dropOff: null,
    ...spreadOf(completed),
  }
  return [whole, ...steps]
}

interface Chain {
  readonly tasks: readonly Task[]
  readonly closed: readonly Task[]
  /** How many completed all steps before this one, and how many this one too. */
  readonly before: number
  readonly inChain: number
}

function countStep(step: string, { tasks, closed, before, inChain }: Chain): TaskCount {
  const taken = closed.flatMap(({ steps }) => steps.get(step) ?? [])
  const completed = taken.filter(({ state }) => state === 'completed')
  const failed = taken.filter(({ state }) => state === 'failed').length
  return {
    step,
    tasks: taken.length,
    completed: completed.length,
    failed,
    timedOut: taken.length - completed.length - failed,
    open: tasks.filter(({ state, steps }) => state === 'open' && steps.has(step)).length,
    rate: ratio(completed.length, taken.length),
    inChain,
    chainRate: ratio(inChain, closed.length),
    closed: closed.length,
    before,
    dropOff: ratio(before - inChain, before),
    ...spreadOf(completed.filter(({ isTimed }) => isTimed)),
  }
}

function spreadOf(things: readonly { readonly startMs: number; readonly endMs: number | undefined }[]) {
  const seconds = things.flatMap(({ startMs, endMs }) => (endMs === undefined ? [] : [(endMs - startMs) / 1000]))
  return { secondsP50: quantile(seconds, 0.5), secondsP90: quantile(seconds, 0.9) }
}

/** Steps by the median time from the begin of a task to them; of equals by name. */
function stepsInOrder(tasks: readonly Task[]): string[] {
  const offsets = new Map<string, number[]>()
  for (const { startMs, steps } of tasks) {
    for (const [step, taken] of steps) {
      const own = offsets.get(step)
      if (own === undefined) offsets.set(step, [taken.startMs - startMs])
      else own.push(taken.startMs - startMs)
    }
  }
  const medians = [...offsets].map(([step, own]) => [step, median(own) ?? 0] as const)
  return medians.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).map(([step]) => step)
}
