import type { SaidOfSession } from '../behavior/outcomes.ts'
import { findRetries } from '../behavior/retries.ts'
import { sessionize, type Session } from '../behavior/sessions.ts'
import type { PatternCall } from '../behavior/usage-patterns.ts'
import type { UserCall } from '../behavior/user-call.ts'
import { compileFeatureNames, compileUserCalls } from '../compile-users.ts'
import { scopeOf, type Frame } from '../frame.ts'
import { readColumns, readRows } from '../snapshot.ts'
import { readKinds } from './read-kinds.ts'
import type { Period } from '../period.ts'

/** The calls of users in a period, and the sessions that began in it. Users and sessions go by their ids in the ledger. */
export interface UserCalls {
  readonly calls: readonly PatternCall[]
  readonly sessions: readonly Session[]
  readonly retries: ReadonlyMap<string, UserCall>
  /** What the app said of a session. */
  readonly saidOf: (session: Session) => SaidOfSession | undefined
}

/** A session may have begun, and may go on, so long outside of the period: those calls are read too, so that its bounds cut none. */
const PADDING_MS = 24 * 3_600_000

/** Reads calls into memory: about 250 bytes each. */
export async function readUserCalls(frame: Frame): Promise<UserCalls> {
  const { fromMs, toMs } = frame.period
  const around = await readCalls(frame, { fromMs: fromMs - PADDING_MS, toMs: toMs + PADDING_MS })
  const retries = findRetries(around)
  const isWithin = (ms: number): boolean => ms >= fromMs && ms < toMs
  const sessions = sessionize(around, { asOfMs: frame.clock.asOfMs, retries }).filter(({ startMs }) => isWithin(startMs))
  const outcomes = await readSessionOutcomes(frame)
  return {
    calls: around.filter(({ startMs }) => isWithin(startMs)),
    sessions,
    retries,
    // What the app says of a session id it says of the whole of it: of the last part where it was split.
    saidOf: ({ name }) => (name === undefined ? undefined : outcomes.get(name.split('#')[0] ?? name)),
  }
}

async function readCalls(frame: Frame, period: Period): Promise<PatternCall[]> {
  const { store } = frame
  const scope = await scopeOf(frame, period)
  const [userIds = [], sessionIds = [], starts = [], latencies = [], ttfts = [], kindIds = [], modelIds = [], keys = [], ids = []] =
    await readColumns<number | string | null>(store, compileUserCalls(scope))
  const kinds = await readKinds(store)
  const models = new Map(
    await readRows<[id: number, label: string]>(store, {
      text: "SELECT json_group_array(json_array(model_id, requested_model || '/' || provider)) AS rows FROM models",
      values: [],
    }),
  )
  const distinct = [...new Set(keys)].filter((key) => key !== null && key !== undefined)
  const features = new Map(await readRows<[key: string | number, name: string]>(store, compileFeatureNames(distinct, scope)))
  const unknownKind = { operation: '', status: 'ok', errorClass: undefined } as const
  return userIds.map((userId, n): PatternCall => {
    const startMs = Number(starts[n])
    const { operation, status, errorClass } = kinds.get(Number(kindIds[n])) ?? unknownKind
    const ttft = ttfts[n]
    const key = keys[n]
    return {
      id: String(ids[n]),
      user: String(userId),
      session: sessionIds[n] === 0 ? undefined : String(sessionIds[n]),
      startMs,
      endMs: startMs + Number(latencies[n]),
      timeToFirstTokenMs: typeof ttft === 'number' ? ttft : undefined,
      feature: key === null || key === undefined ? undefined : features.get(key),
      operation,
      status,
      errorClass,
      // The ledger keeps no fingerprints of what was asked, and of settled calls not what stood above them.
      fingerprint: undefined,
      isNested: false,
      modelLabel: models.get(Number(modelIds[n])) ?? '',
    }
  })
}

/** By session id of the ledger: the last end that the app told, else the last goal in it. */
export async function readSessionOutcomes({ store, clock }: Frame): Promise<ReadonlyMap<string, SaidOfSession>> {
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
      String(sessionId),
      {
        outcome:
          kind === 'goal' ? (outcome === 'success' ? 'completed' : 'abandoned') : outcome === 'completed' ? 'completed' : 'abandoned',
      },
    ]),
  )
}
