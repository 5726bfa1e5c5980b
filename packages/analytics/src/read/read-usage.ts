import { inSteps, isOver, SessionFold, type SessionFacts } from '@spanledger/store'

import { readColumns } from '../ledger/snapshot.ts'
import { compileUserDays } from '../plan/compile-users.ts'
import type { Scope } from '../plan/scope.ts'
import { scopeOf, type ScopeWords } from '../plan/scope-of.ts'
import { tokenSums } from '../query/metrics.ts'
import type { Period } from '../query/period.ts'
import { wholeDays } from '../segments/user-days.ts'
import { readUserSums } from './population.ts'

/** What users used in a time that may begin and end within a day, by user id: of its whole days from rollups, of the rest from calls. */
export class UsageReader {
  readonly #words: ScopeWords
  readonly #lastId: number

  /** `words` choose all calls; no user has a higher id than `lastId`. */
  constructor(words: ScopeWords, lastId: number) {
    this.#words = words
    this.#lastId = lastId
  }

  /** The priced cost in nano-USD; exact up to 2^53. */
  async costNanoUsd(period: Period): Promise<Float64Array> {
    return this.#sum(period, async (scope) => {
      const { ids, costsNanoUsd } = await readUserSums(this.#words.store, scope, { sums: [], activeDays: false })
      return { ids, amounts: costsNanoUsd.map((cost) => cost ?? 0) }
    })
  }

  /** Tokens of every kind. */
  async tokens(period: Period): Promise<Float64Array> {
    return this.#sum(period, async (scope) => {
      const { ids, list } = await readUserSums(this.#words.store, scope, { sums: tokenSums, activeDays: false })
      const kinds = tokenSums.map((_, n) => list(`s${n}`))
      return { ids, amounts: ids.map((_, n) => kinds.reduce((sum, kind) => sum + (kind[n] ?? 0), 0)) }
    })
  }

  /** Local days of the zone with a call in the period. */
  async activeDays(period: Period): Promise<Float64Array> {
    return this.#sum(period, async (scope) => {
      const [ids = []] = await readColumns(this.#words.store, compileUserDays(scope))
      return { ids, amounts: ids.map(() => 1) }
    })
  }

  /** The active time of sessions in ms, of calls in the period: what runs, and of each pause in a session at most five minutes. */
  async activeMs({ fromMs, toMs }: Period): Promise<Float64Array> {
    const activeMs = this.#noUsers()
    const fold = new SessionFold()
    let open: SessionFacts[] = []
    const add = (session: SessionFacts): void => {
      activeMs[session.userId] = (activeMs[session.userId] ?? 0) + session.activeMs
    }
    for (const step of inSteps(fromMs, toMs, STEP)) {
      const [userIds = [], sessionIds = [], starts = [], latencies = []] = await readColumns(this.#words.store, {
        text: `SELECT json_group_array(user_id) AS u, json_group_array(session_id) AS s, json_group_array(start_ms) AS a, json_group_array(latency_ms) AS l
          FROM (SELECT user_id, session_id, start_ms, latency_ms FROM llm_calls
            WHERE start_ms >= ? AND start_ms < ? AND counted = 1 AND user_id <> 0 ORDER BY start_ms, span_id, trace_id)`,
        values: [step.fromMs, step.toMs],
      })
      step.take(userIds.length)
      for (let n = 0; n < userIds.length; n++) {
        const startMs = starts[n] ?? 0
        const call = { userId: userIds[n] ?? 0, sessionId: sessionIds[n] ?? 0, startMs, endMs: startMs + (latencies[n] ?? 0) }
        const session = fold.add({ ...call, ...noMatter })
        if (session.requests === 1) open.push(session)
      }
      fold.forget(step.toMs)
      const isEnded = (session: SessionFacts): boolean => isOver(session, step.toMs)
      for (const session of open.filter(isEnded)) add(session)
      open = open.filter((session) => !isEnded(session))
    }
    for (const session of open) add(session)
    return activeMs
  }

  #noUsers(): Float64Array {
    return new Float64Array(this.#lastId + 1)
  }

  async #sum(
    period: Period,
    read: (scope: Scope) => Promise<{ ids: readonly number[]; amounts: readonly number[] }>,
  ): Promise<Float64Array> {
    const byUser = this.#noUsers()
    const { zone } = this.#words
    const { first, end, edges } = wholeDays(period, zone)
    const whole = { fromMs: zone.startOfDay(first), toMs: zone.startOfDay(end) }
    for (const part of first < end ? [...edges, whole] : edges) {
      const { ids, amounts } = await read(await scopeOf(this.#words, part))
      for (let n = 0; n < ids.length; n++) {
        const id = ids[n] ?? 0
        byUser[id] = (byUser[id] ?? 0) + (amounts[n] ?? 0)
      }
    }
    byUser[0] = 0
    return byUser
  }
}

/** Calls read at a time. */
const STEP = 20_000
/** What a session is told of and nobody asks here. */
const noMatter = { kindId: 0, featureId: 0, waitMs: 0, isMessage: false }
