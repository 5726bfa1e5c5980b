import { raw, sql } from '../../ledger/fragment.ts'
import { readRows } from '../../ledger/snapshot.ts'
import { compileBase } from '../../plan/compile.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readUserValues } from '../../read/read-user-values.ts'

/** Requests of users by the hour that it was where they are. */
export interface OwnHours {
  readonly hours: ReadonlyMap<number, number>
  readonly users: number
  /** How many of them have a zone of their own; of the others it is the zone of the report. */
  readonly known: number
}

/** Under which names apps keep an IANA zone, canonical. */
const zoneKeys = ['timezone', 'time_zone', 'tz']
const QUARTER_MS = 900_000

export async function readOwnHours(frame: Frame): Promise<OwnHours> {
  const scope = await scopeOf(frame, frame.period)
  const found = await readGroups(frame.store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics: ['requests'] })
  const userIds = found.flatMap(({ keys }) => (Number(keys[0]) === 0 ? [] : [Number(keys[0])]))
  const said = await readUserValues(frame, zoneKeys, { which: 'latest', beforeMs: frame.clock.asOfMs, userIds })
  const clocks = new Map<string, Clock>()
  const clockOf = (userId: number): Clock => {
    const name = said.get(userId)?.trim() ?? ''
    let clock = clocks.get(name)
    if (clock === undefined) clocks.set(name, (clock = { n: clocks.size, hourOf: hourIn(name) }))
    return clock
  }
  const users = userIds.map((userId) => ({ userId, clock: clockOf(userId) }))
  const ofReport = hourIn(frame.zone.name)
  const byNumber = [...clocks.values()]
  const hours = new Map<number, number>()
  const pairs = JSON.stringify(users.map(({ userId, clock }) => [userId, clock.n]))
  const base = compileBase({ source: 'calls', dimensions: [], sums: [], needs: [] }, scope)
  // The calls know every filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  const rows = await readRows<[clock: number, quarter: number, requests: number]>(
    frame.store,
    sql`SELECT json_group_array(json_array(clock, quarter, n)) AS rows FROM (
      SELECT z.clock, q.quarter, count(*) AS n
      FROM (SELECT c.user_id AS user_id, c.start_ms / ${raw(String(QUARTER_MS))} AS quarter ${base.from} AND c.user_id <> 0) AS q
      JOIN (SELECT value->>0 AS user_id, value->>1 AS clock FROM json_each(${pairs})) AS z ON z.user_id = q.user_id
      GROUP BY z.clock, q.quarter)`,
  )
  for (const [n, quarter, requests] of rows) {
    const hour = (byNumber[n]?.hourOf ?? ofReport)?.(quarter * QUARTER_MS) ?? 0
    hours.set(hour, (hours.get(hour) ?? 0) + requests)
  }
  return { hours, users: users.length, known: users.filter(({ clock }) => clock.hourOf !== undefined).length }
}

interface Clock {
  readonly n: number
  /** Undefined where what was said is no zone. */
  readonly hourOf: ((ms: number) => number) | undefined
}

function hourIn(timeZone: string): ((ms: number) => number) | undefined {
  try {
    const hour = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', hourCycle: 'h23' })
    return (ms) => Number(hour.format(ms))
  } catch {
    return undefined
  }
}
