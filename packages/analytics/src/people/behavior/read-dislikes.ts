import { responseHash, type SessionFacts } from '@spanledger/store'

import { Dislikes, DISLIKED_SKEW_MS, type Dislike, type DislikedCall } from '../../behavior/dislikes.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { dislikedAnswers } from '../../plan/latest-events.ts'
import type { Frame } from '../../read/frame.ts'

/** What users disliked since the begin of the period, also later than its end; undefined where nobody did. */
export async function readDislikes({ store, clock, period }: Frame): Promise<Dislikes | undefined> {
  type Row = [userId: number, sessionId: number, atMs: number, targetKind: string, target: string]
  const since = { fromMs: period.fromMs - DISLIKED_SKEW_MS, toMs: clock.asOfMs }
  const rows = await readRows<Row>(store, dislikedAnswers(since))
  if (rows.length === 0) return undefined
  return new Dislikes(
    rows.map(([userId, sessionId, atMs, kind, target]): Dislike => ({
      userId,
      sessionId,
      atMs,
      call: kind === 'call' ? target.replace('-', '').toUpperCase() : undefined,
      answer: kind === 'response' ? responseHash(target) : undefined,
    })),
  )
}

/** Which of some sessions ended with a call that was disliked. */
export async function disliked<Session extends Pick<SessionFacts, 'userId' | 'sessionId' | 'lastMs'>>(
  { store }: Frame,
  sessions: readonly Session[],
  dislikes: Dislikes | undefined,
): Promise<Set<Session>> {
  if (dislikes === undefined) return new Set()
  const asked = sessions.filter(({ userId, lastMs }) => dislikes.mayHave({ userId, startMs: lastMs }))
  if (asked.length === 0) return new Set()
  const rows = await readRows<[n: number, latencyMs: number, id: string, answer: number | null]>(store, {
    text: `SELECT json_group_array(json_array(n, latency_ms, id, answer)) AS rows FROM (
      SELECT j.key AS n, c.latency_ms, hex(c.trace_id) || hex(c.span_id) AS id, c.response_hash AS answer
      FROM json_each(?) AS j CROSS JOIN llm_calls AS c ON c.start_ms = j.value->>2
      WHERE c.user_id = j.value->>0 AND c.session_id = j.value->>1 AND c.counted = 1 ORDER BY j.key, c.span_id, c.trace_id)`,
    values: [JSON.stringify(asked.map(({ userId, sessionId, lastMs }) => [userId, sessionId, lastMs]))],
  })
  // Of several that started together the last one is the last of the session.
  const lastCalls = new Map<Session, DislikedCall>()
  for (const [n, latencyMs, id, answer] of rows) {
    const session = asked[n]
    if (session === undefined) continue
    const { userId, sessionId, lastMs } = session
    lastCalls.set(session, { userId, sessionId, startMs: lastMs, endMs: lastMs + latencyMs, id, answer })
  }
  return new Set([...lastCalls].filter(([, call]) => dislikes.has(call)).map(([session]) => session))
}
