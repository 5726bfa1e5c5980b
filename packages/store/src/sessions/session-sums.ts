import { mergeCounts } from '../rollups/counts.ts'
import type { RollupSchema } from '../rollups/rollups.ts'
import type { SessionFacts } from './session-fold.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import type { Zone } from '../zone.ts'

/** What sessions add to the sums of the days on which they began, or take from them. */
export interface SessionDelta {
  readonly days: Map<number, DayDelta>
  /** By day, kind and feature of the last call. */
  readonly endings: Map<string, EndingDelta>
}

interface DayDelta {
  /** sessions, requests, messages, follow-ups, active ms, returned. */
  readonly sums: number[]
  readonly added: number[]
  readonly removed: number[]
}

interface EndingDelta {
  readonly key: readonly [day: number, kindId: number, featureId: number]
  sessions: number
  readonly waits: { readonly added: number[]; readonly removed: number[] }
  readonly messages: { readonly added: number[]; readonly removed: number[] }
}

export function emptySessionDelta(): SessionDelta {
  return { days: new Map(), endings: new Map() }
}

/** Adds a session that is over; with sign -1 takes it away again. Sessions of nobody are in no sum. */
export function addSession(delta: SessionDelta, session: SessionFacts, zone: Zone, sign: 1 | -1 = 1): void {
  if (session.userId === 0) return
  const day = zone.day(session.startMs)
  let ofDay = delta.days.get(day)
  if (ofDay === undefined) delta.days.set(day, (ofDay = { sums: [0, 0, 0, 0, 0, 0], added: [], removed: [] }))
  const { requests, messages, followUps, activeMs, nextMs } = session
  const amounts = [1, requests, messages, followUps, activeMs, nextMs === undefined ? 0 : 1]
  for (const [n, amount] of amounts.entries()) ofDay.sums[n] = (ofDay.sums[n] ?? 0) + sign * amount
  const list = sign === 1 ? 'added' : 'removed'
  ofDay[list].push(session.endMs - session.startMs)
  const key = [day, session.lastKindId, session.lastFeatureId] as const
  let ending = delta.endings.get(key.join())
  if (ending === undefined) {
    ending = { key, sessions: 0, waits: { added: [], removed: [] }, messages: { added: [], removed: [] } }
    delta.endings.set(key.join(), ending)
  }
  ending.sessions += sign
  ending.waits[list].push(session.lastWaitMs)
  ending.messages[list].push(messages)
}

/** Adds to the sums of sessions. Inside a transaction. */
export async function applySessionDelta(db: Sqlite, { days, endings }: SessionDelta, schema: RollupSchema): Promise<void> {
  if (days.size > 0) await applyDays(db, days, schema)
  if (endings.size > 0) await applyEndings(db, endings, schema)
}

async function applyDays(db: Sqlite, days: SessionDelta['days'], schema: RollupSchema): Promise<void> {
  const before = new Map(
    (
      await readRows<[number, string]>(
        db,
        `SELECT json_group_array(json_array(d.day, hex(d.durations))) AS rows FROM jsonb_each(?) AS j
         JOIN ${schema}.session_days AS d ON d.day = j.value`,
        JSON.stringify([...days.keys()]),
      )
    ).map(([day, durations]) => [day, durations]),
  )
  const rows = [...days].map(([day, { sums, added, removed }]) => [day, sums, mergeCounts(before.get(day) ?? '', added, removed)])
  await db.run(
    `INSERT INTO ${schema}.session_days (day, sessions, requests, messages, follow_ups, active_ms, returned, durations)
     SELECT value->>0, ${sumColumns.map((_, n) => `value->>'$[1][${n}]'`).join(', ')}, unhex(value->>2) FROM jsonb_each(?) WHERE true
     ON CONFLICT (day) DO UPDATE SET ${sumColumns.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}, durations = excluded.durations`,
    JSON.stringify(rows),
  )
  await db.run(`DELETE FROM ${schema}.session_days WHERE sessions = 0`)
}

const sumColumns = ['sessions', 'requests', 'messages', 'follow_ups', 'active_ms', 'returned']

async function applyEndings(db: Sqlite, endings: SessionDelta['endings'], schema: RollupSchema): Promise<void> {
  const list = [...endings.values()]
  const found = await readRows<[n: number, waits: string, messages: string]>(
    db,
    `SELECT json_group_array(json_array(j.key, hex(e.waits), hex(e.messages))) AS rows FROM jsonb_each(?) AS j
     JOIN ${schema}.session_endings AS e ON e.day = j.value->>0 AND e.kind_id = j.value->>1 AND e.feature_id = j.value->>2`,
    JSON.stringify(list.map(({ key }) => key)),
  )
  const before = new Map(found.map(([n, waits, messages]) => [n, [waits, messages] as const]))
  const rows = list.map(({ key, sessions, waits, messages }, n) => [
    key,
    sessions,
    mergeCounts(before.get(n)?.[0] ?? '', waits.added, waits.removed),
    mergeCounts(before.get(n)?.[1] ?? '', messages.added, messages.removed),
  ])
  await db.run(
    `INSERT INTO ${schema}.session_endings (day, kind_id, feature_id, sessions, waits, messages)
     SELECT value->>'$[0][0]', value->>'$[0][1]', value->>'$[0][2]', value->>1, unhex(value->>2), unhex(value->>3) FROM jsonb_each(?) WHERE true
     ON CONFLICT (day, kind_id, feature_id) DO UPDATE SET sessions = sessions + excluded.sessions, waits = excluded.waits, messages = excluded.messages`,
    JSON.stringify(rows),
  )
  await db.run(`DELETE FROM ${schema}.session_endings WHERE sessions = 0`)
}

async function readRows<Row>(db: Sqlite, sql: string, ...values: (string | number)[]): Promise<Row[]> {
  const [row] = await db.all<{ rows: string }>(sql, ...values)
  return JSON.parse(row?.rows ?? '[]') as Row[]
}
