import { SESSION_IDLE_MS } from '@spanledger/store'

import { outcomeOf, type OutcomeMode } from '../../behavior/outcomes.ts'
import { readRows } from '../../ledger/snapshot.ts'
import type { Dimension } from '../../query/dimensions.ts'
import type { FoundGroup } from '../../read/found-groups.ts'
import type { Frame } from '../../read/frame.ts'
import { readKinds } from '../../read/read-kinds.ts'
import { readSessionOutcomes } from '../histories/read-session-outcomes.ts'
import { disliked, readDislikes } from './read-dislikes.ts'
import { readLongestLatency } from './read-longest-latency.ts'

/** The last call of a session that started before `as_of`. */
interface LastCall {
  readonly userId: number
  readonly sessionId: number
  readonly lastMs: number
  readonly endMs: number
  readonly kindId: number
}

/**
 * How the named sessions of some groups ended: `completed`, `abandoned`, `unknown`, or `open` as long as it may go on; null of calls
 * without a session. It is told of the whole session, also where a question looks at some of its calls.
 */
export async function readSessionEndings(
  frame: Frame,
  groups: readonly FoundGroup[],
  mode: OutcomeMode,
): Promise<(found: FoundGroup) => string | null> {
  const at = frame.dimensions.findIndex(isSession)
  const sessionOf = ({ keys }: FoundGroup): number => Number(keys[at] ?? 0)
  const lasts = await readLastCalls(frame, [...new Set(groups.map(sessionOf))])
  const kinds = await readKinds(frame.store)
  const told = await readSessionOutcomes(frame)
  const isDisliked = await disliked(frame, lasts, await readDislikes(frame))
  const endings = new Map(
    lasts.map((last) => {
      if (last.endMs + SESSION_IDLE_MS > frame.clock.asOfMs) return [last.sessionId, 'open']
      const said = { ...told.get(last.sessionId), lastAnswerDisliked: isDisliked.has(last) }
      return [last.sessionId, outcomeOf(kinds.get(last.kindId), said, mode).outcome]
    }),
  )
  return (found) => endings.get(sessionOf(found)) ?? null
}

function isSession(dimension: Dimension): boolean {
  return dimension.kind === 'column' && dimension.name === 'session'
}

/** The ledger keeps when the last call of each session started; only of those that went on after `as_of` it is looked for. */
async function readLastCalls({ store, zone, clock: { asOfMs } }: Frame, sessionIds: readonly number[]): Promise<LastCall[]> {
  const starts = await readRows<[sessionId: number, firstMs: number, lastMs: number]>(store, {
    text: `SELECT json_group_array(json_array(session_id, first_ms, last_ms)) AS rows FROM sessions
      WHERE session_id <> 0 AND last_ms IS NOT NULL AND session_id IN (SELECT value FROM json_each(?))`,
    values: [JSON.stringify(sessionIds)],
  })
  const wentOn = starts.filter(([, , lastMs]) => lastMs >= asOfMs)
  const before = new Map(
    await readRows<[sessionId: number, lastMs: number]>(store, {
      text: `SELECT json_group_array(json_array(session_id, ms)) AS rows FROM (
        SELECT session_id, max(start_ms) AS ms FROM llm_calls
        WHERE start_ms >= ? AND start_ms < ? AND counted = 1 AND session_id IN (SELECT value FROM json_each(?)) GROUP BY session_id)`,
      values: [
        wentOn.reduce((least, [, firstMs]) => Math.min(least, firstMs), asOfMs),
        wentOn.length === 0 ? 0 : asOfMs,
        JSON.stringify(wentOn.map(([sessionId]) => sessionId)),
      ],
    }),
  )
  const asked = starts.flatMap(([sessionId, , lastMs]) => {
    const ms = lastMs < asOfMs ? lastMs : before.get(sessionId)
    return ms === undefined ? [] : [[sessionId, ms]]
  })
  const rows = await readRows<[userId: number, sessionId: number, lastMs: number, latencyMs: number, kindId: number]>(store, {
    text: `SELECT json_group_array(json_array(user_id, session_id, start_ms, latency_ms, kind_id)) AS rows FROM (
      SELECT c.user_id, c.session_id, c.start_ms, c.latency_ms, c.kind_id FROM json_each(?) AS j CROSS JOIN llm_calls AS c ON c.start_ms = j.value->>1
      WHERE c.session_id = j.value->>0 AND c.counted = 1 ORDER BY c.span_id, c.trace_id)`,
    values: [JSON.stringify(asked)],
  })
  // A call before the last one may still run when that has ended: one that tells that the session is open started after this.
  const sinceMs = asOfMs - SESSION_IDLE_MS - (await readLongestLatency(store, zone.day(asOfMs)))
  const lateEnds = new Map(
    await readRows<[sessionId: number, endMs: number]>(store, {
      text: `SELECT json_group_array(json_array(session_id, ms)) AS rows FROM (
        SELECT session_id, max(start_ms + latency_ms) AS ms FROM llm_calls
        WHERE start_ms >= ? AND start_ms < ? AND counted = 1 AND session_id IN (SELECT value FROM json_each(?)) GROUP BY session_id)`,
      values: [sinceMs, asOfMs, JSON.stringify(asked.filter(([, ms = 0]) => ms >= sinceMs).map(([id]) => id))],
    }),
  )
  // Of several that started together the last one is the last of the session.
  const lasts = new Map<number, LastCall>()
  for (const [userId, sessionId, lastMs, latencyMs, kindId] of rows) {
    const endMs = Math.max(lastMs + latencyMs, lateEnds.get(sessionId) ?? 0)
    lasts.set(sessionId, { userId, sessionId, lastMs, endMs, kindId })
  }
  return [...lasts.values()]
}
