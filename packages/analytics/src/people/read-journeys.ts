import { isChat } from '../behavior/user-call.ts'
import { compileBase } from '../compile.ts'
import { compileFeatureNames } from '../compile-users.ts'
import { scopeOf, type Frame } from '../frame.ts'
import { join, raw, sql } from '../fragment.ts'
import { Journeys, type Journey, type JourneyKind } from '../journey/journeys.ts'
import type { Person } from '../journey/person.ts'
import type { Scope } from '../scope.ts'
import { readColumns, readRows } from '../snapshot.ts'
import type { CallKind } from '../behavior/user-call.ts'
import { readKinds } from './read-kinds.ts'

/** How far users have come, by id, and what the features in there are called. */
export interface ReadJourneys {
  readonly journeys: ReadonlyMap<number, Journey>
  readonly featureNames: ReadonlyMap<string | number, string>
}

/** Calls read at a time: what is in memory of them is one slice, whatever the ledger holds. */
const SLICE = 50_000

/** Reads all calls since the first of these people came, in the order of their start. */
export async function readJourneys(
  frame: Frame,
  people: ReadonlyMap<number, Person>,
  advancedFeatures: readonly string[] = [],
): Promise<ReadJourneys> {
  const { store, clock } = frame
  const firstSeen = await frame.firstSeen()
  let fromMs = clock.asOfMs
  for (const userId of people.keys()) fromMs = Math.min(fromMs, firstSeen.get(userId) ?? fromMs)
  const scope = await scopeOf({ ...frame, where: undefined }, { fromMs, toMs: clock.asOfMs })
  const kinds = new Map([...(await readKinds(store))].map(([id, kind]) => [id, toJourneyKind(kind)]))
  const featureNames = new Map<string | number, string>()
  const advanced = new Set(advancedFeatures)
  const journeys = new Journeys(people)
  for await (const slice of slicesOf(frame, scope)) {
    const [userIds = [], sessions = [], starts = [], latencies = [], kindIds = [], features = []] = slice
    await addNames(features, { frame, scope, featureNames })
    for (const [n, userId] of userIds.entries()) {
      const startMs = Number(starts[n])
      const feature = features[n] ?? null
      journeys.add(Number(userId), {
        session: Number(sessions[n]),
        startMs,
        endMs: startMs + Number(latencies[n]),
        kind: kinds.get(Number(kindIds[n])) ?? unknownKind,
        feature,
        isAdvanced: feature !== null && advanced.has(featureNames.get(feature) ?? ''),
      })
    }
  }
  return { journeys: journeys.finish(), featureNames }
}

const unknownKind: JourneyKind = { isOk: true, isBadEnd: false, isMessage: false }

function toJourneyKind({ operation, status, errorClass }: CallKind): JourneyKind {
  return {
    isOk: status === 'ok',
    isBadEnd: status !== 'ok' || errorClass === 'truncated',
    // The ledger does not keep of settled calls what stood above them.
    isMessage: isChat({ operation, isNested: false }),
  }
}

type Column = (number | string | null)[]

/** Slices of whole milliseconds, so that none begins in the middle of calls of one instant. */
async function* slicesOf({ store }: Frame, scope: Scope): AsyncGenerator<Column[]> {
  const { toMs } = scope.period
  for (let fromMs = scope.period.fromMs; fromMs < toMs;) {
    const [row] = await store.all<{ last: number | null }>(
      `SELECT max(start_ms) AS last FROM (SELECT start_ms FROM llm_calls WHERE start_ms >= ? AND start_ms < ? ORDER BY start_ms LIMIT ${SLICE})`,
      fromMs,
      toMs,
    )
    if (row === undefined || row.last === null) return
    const nextMs = row.last + 1
    yield await readColumns<number | string | null>(store, compileSlice({ ...scope, period: { fromMs, toMs: nextMs } }))
    fromMs = nextMs
  }
}

const columns = ['user_id', 'session_id', 'start_ms', 'latency_ms', 'kind_id']

function compileSlice(scope: Scope) {
  const base = compileBase({ source: 'calls', dimensions: [{ kind: 'property', key: 'feature' }], sums: [], needs: [] }, scope)
  // The calls know every dimension.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT ${raw([...columns, 'k0'].map((name) => `json_group_array(${name}) AS ${name}`).join(', '))} FROM (
    SELECT ${raw(columns.map((name) => `c.${name}`).join(', '))}, ${join(base.keys, ', ')}
    ${base.from} AND c.user_id <> 0 ORDER BY c.start_ms, c.span_id, c.trace_id)`
}

/** Learns what features are called that were not met before. */
async function addNames(
  features: readonly (number | string | null)[],
  { frame, scope, featureNames }: { frame: Frame; scope: Scope; featureNames: Map<string | number, string> },
): Promise<void> {
  const fresh = [...new Set(features)].filter((key) => key !== null && !featureNames.has(key)) as (string | number)[]
  if (fresh.length === 0) return
  for (const [key, name] of await readRows<[string | number, string]>(frame.store, compileFeatureNames(fresh, scope))) {
    featureNames.set(key, name)
  }
}
