import type { SaidOfSession } from '../../behavior/outcomes.ts'
import type { Frame } from '../../read/frame.ts'
import { readRows } from '../../ledger/snapshot.ts'

/** By session id of the ledger: the last end that the app told, else the last goal in it. */
export async function readSessionOutcomes({ store, clock }: Frame): Promise<ReadonlyMap<number, SaidOfSession>> {
  const rows = await readRows<[sessionId: number, kind: string, outcome: string]>(store, {
    text: `SELECT json_group_array(json_array(session_id, kind, outcome)) AS rows FROM (
      SELECT e.session_id, s.kind, e.outcome FROM event_subjects AS s JOIN events AS e ON e.subject_id = s.subject_id
      WHERE s.kind IN ('session_end', 'goal') AND e.session_id <> 0 AND e.outcome IS NOT NULL AND e.start_ms < ?
      ORDER BY s.kind, e.start_ms, e.start_fraction, e.span_id, e.trace_id)`,
    values: [clock.asOfMs],
  })
  // Goals come first by name, so that an end takes their place.
  return new Map(
    rows.map(([sessionId, kind, outcome]) => [
      sessionId,
      {
        outcome:
          kind === 'goal' ? (outcome === 'success' ? 'completed' : 'abandoned') : outcome === 'completed' ? 'completed' : 'abandoned',
      },
    ]),
  )
}
