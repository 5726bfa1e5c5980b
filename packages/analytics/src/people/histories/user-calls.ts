import { inSteps, isMessageOperation, type SessionCall, type Step } from '@spanledger/store'

import type { Dislikes } from '../../behavior/dislikes.ts'
import type { CallKind } from '../../read/read-kinds.ts'
import { compileFeatureNames, compileUserCalls } from '../../plan/compile-users.ts'
import { NONE } from '../../query/dimensions.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import type { Period } from '../../query/period.ts'
import { readColumns, readRows } from '../../ledger/snapshot.ts'
import { periodsWithCalls } from './periods-with-calls.ts'
import { readKinds } from '../../read/read-kinds.ts'

/** A call of a user. Features go by the id of their value; those that the ledger keeps as text by a negative number of ours. */
export interface BehaviorCall extends SessionCall {
  readonly modelId: number
  /** Asks something once more; false where that is not known. */
  readonly isRetry: boolean
  /** Whether the user disliked its answer: holds if it is the last of its session. */
  readonly isDisliked: boolean
}

/** What calls of this ledger refer to. */
export interface CallWords {
  readonly kinds: ReadonlyMap<number, CallKind>
  /** The ids of calls that ask something once more, which are no messages; undefined where that is not known, or not asked. */
  readonly retries: Pick<ReadonlySet<string>, 'has'> | undefined
  readonly dislikes: Dislikes | undefined
  /** The number of a feature as it is read from a call. */
  featureId(key: string | number | null): number
  /** What features are called, by id; those that are none are left out. */
  features(ids: Iterable<number>): Promise<ReadonlyMap<number, string>>
  /** `requested model/provider` by id. */
  models(): Promise<ReadonlyMap<number, string>>
}

export async function openCallWords(
  frame: Frame,
  { retries, dislikes }: Partial<Pick<CallWords, 'retries' | 'dislikes'>> = {},
): Promise<CallWords> {
  const { store } = frame
  const texts = new Map<string, number>()
  return {
    kinds: await readKinds(store),
    retries,
    dislikes,
    featureId: (key) => {
      if (typeof key !== 'string') return key ?? 0
      const id = texts.get(key) ?? -1 - texts.size
      texts.set(key, id)
      return id
    },
    features: async (ids) => {
      const interned = [...ids].filter((id) => id > 0)
      const scope = await scopeOf(frame, frame.period)
      const names = await readRows<[id: number, name: string]>(store, compileFeatureNames(interned, scope))
      const all = new Map(names)
      for (const [name, id] of texts) all.set(id, name)
      for (const [id, name] of all) if (name === NONE) all.delete(id)
      return all
    },
    models: async () =>
      new Map(
        await readRows<[id: number, label: string]>(store, {
          text: "SELECT json_group_array(json_array(model_id, requested_model || '/' || provider)) AS rows FROM models",
          values: [],
        }),
      ),
  }
}

/** Calls read at a time: reading the next ones and looking at these go on side by side. */
const STEP = 20_000

/**
 * Hands over the calls of users in a period that the filter of a question lets through, in the order of time; `goOn` is asked
 * before each step. Takes no more memory for more calls.
 */
export async function eachCall(frame: Frame, words: CallWords, { period, userIds, take, goOn = () => true }: Reading): Promise<void> {
  const scope = await scopeOf(frame, period, userIds === undefined ? {} : { userIds })
  const steps = stepsOf(await periodsWithCalls(scope, frame))
  const readNext = (): { fromMs: number; calls: Promise<Columns> } | undefined => {
    const { value: step } = steps.next()
    if (step === undefined) return undefined
    const { fromMs, toMs } = step
    const withAnswers = words.dislikes !== undefined
    const { text, values } = compileUserCalls(
      { ...scope, period: { fromMs, toMs } },
      { withIds: withAnswers || words.retries !== undefined, withAnswers },
    )
    const calls = readColumns<number | string | null>(frame.store, { text, values })
    return { fromMs, calls: calls.then((columns) => (step.take(columns[0]?.length ?? 0), columns)) }
  }
  for (let next = readNext(); next !== undefined;) {
    const { fromMs } = next
    const calls = await next.calls
    if (!goOn(fromMs)) return
    // SQLite reads the next ones meanwhile, on a thread of its own.
    next = readNext()
    next?.calls.catch(() => undefined) // Thrown where it is waited for; here it only must not count as unhandled.
    takeAll(calls, words, take)
  }
}

function* stepsOf(periods: readonly Period[]): Generator<Step> {
  for (const { fromMs, toMs } of periods) yield* inSteps(fromMs, toMs, STEP)
}

type Columns = readonly (readonly (number | string | null)[])[]

interface Reading {
  readonly period: Period
  readonly userIds?: readonly number[]
  /** The call holds until the next is handed over. */
  readonly take: (call: BehaviorCall) => void
  /** Whether calls from an instant on are of interest. */
  readonly goOn?: (fromMs: number) => boolean
}

function takeAll(columns: Columns, words: CallWords, take: (call: BehaviorCall) => void): void {
  const [users = [], sessions = [], starts = [], latencies = [], waits = [], kindIds = [], modelIds = [], ...others] = columns
  const [features = [], ids = [], answers = []] = others
  const messageKinds = new Set([...words.kinds].flatMap(([id, { operation }]) => (isMessageOperation(operation) ? [id] : [])))
  const call = {
    userId: 0,
    sessionId: 0,
    startMs: 0,
    endMs: 0,
    kindId: 0,
    featureId: 0,
    waitMs: 0,
    isMessage: false,
    modelId: 0,
    isRetry: false,
    isDisliked: false,
    id: '',
    answer: null as number | null,
  }
  for (let n = 0; n < users.length; n++) {
    const [latencyMs, waitMs] = [Number(latencies[n]), waits[n]]
    call.userId = Number(users[n])
    call.sessionId = Number(sessions[n])
    call.startMs = Number(starts[n])
    call.endMs = call.startMs + latencyMs
    call.kindId = Number(kindIds[n])
    call.featureId = words.featureId(features[n] ?? null)
    call.waitMs = typeof waitMs === 'number' ? waitMs : latencyMs
    call.isRetry = words.retries?.has(String(ids[n])) === true
    call.isMessage = messageKinds.has(call.kindId) && !call.isRetry
    call.modelId = Number(modelIds[n])
    if (words.dislikes !== undefined) {
      call.id = String(ids[n])
      const answer = answers[n]
      call.answer = typeof answer === 'number' ? answer : null
      call.isDisliked = words.dislikes.has(call)
    }
    take(call)
  }
}
