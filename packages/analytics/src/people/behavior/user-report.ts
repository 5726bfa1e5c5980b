import { amountCells } from '../../read/compare-previous.ts'
import { NONE, type Dimension } from '../../query/dimensions.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import type { Amount } from '../../query/metric.ts'
import { metricTable, type MetricName } from '../../query/metrics.ts'
import type { FoundGroup } from '../../read/found-groups.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { Scope } from '../../plan/scope.ts'
import { timeLabel } from '../../query/time-bucket.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { ColumnTable, Told } from '../answers/told.ts'

/** Figures that every part has; those that only the calls know are read for few parts. */
const figures = ['requests', 'cost_usd', 'total_tokens', 'errors', 'error_rate', 'latency_avg_ms'] as const satisfies readonly MetricName[]
const times = ['started_at', 'last_call_at'] as const satisfies readonly MetricName[]

interface Part {
  readonly name: string
  readonly by: readonly Dimension[]
  /** Whether it tells when its first and last calls were. */
  readonly timed?: boolean
  readonly first: 'most' | 'latest'
  readonly limit: number
}

const DAY: Dimension = { kind: 'time', step: 'day' }

/** What a user is looked at by, in the order of the report. */
const parts: readonly Part[] = [
  { name: 'user', by: [{ kind: 'column', name: 'user' }], timed: true, first: 'most', limit: 1 },
  { name: 'model', by: [{ kind: 'column', name: 'model' }], first: 'most', limit: 10 },
  { name: 'feature', by: [{ kind: 'property', key: 'feature' }], first: 'most', limit: 10 },
  { name: 'error', by: [{ kind: 'column', name: 'error' }], first: 'most', limit: 10 },
  { name: 'session', by: [{ kind: 'column', name: 'session' }], timed: true, first: 'latest', limit: 10 },
  { name: 'day', by: [DAY], first: 'latest', limit: 28 },
]

const columns: ColumnTable = {
  part: [
    'Part',
    'string',
    'what the row is about: user (all calls), model, feature, error (10 with most requests each), session (the last 10), day (the last 28)',
  ],
  name: ['Name', 'string', 'which model, feature, class of error, session or day; (none) for calls without'],
  requests: [metricTable.requests.label, 'int', metricTable.requests.says],
  share: ['Share', 'rate', 'requests / requests of the user', ['requests', 'all']],
  cost_usd: [metricTable.cost_usd.label, 'usd', metricTable.cost_usd.says],
  total_tokens: [metricTable.total_tokens.label, 'int', metricTable.total_tokens.says],
  errors: [metricTable.errors.label, 'int', metricTable.errors.says],
  error_rate: [metricTable.error_rate.label, 'rate', metricTable.error_rate.says, ['errors', 'requests']],
  latency_avg_ms: [metricTable.latency_avg_ms.label, 'ms', metricTable.latency_avg_ms.says],
  started_at: [metricTable.started_at.label, 'time', 'start of the first call in the period, of the user and of sessions'],
  last_call_at: [metricTable.last_call_at.label, 'time', 'start of the last call in the period, of the user and of sessions'],
}

/** One user in parts: all that they did, by what they did it with, how it went, and when. The filter of the frame names the user. */
export async function tellUser({ frame }: PeopleAsked): Promise<Told> {
  const scope = await scopeOf(frame, frame.period)
  const rows: Record<string, Amount | string>[] = []
  let requests = 0
  for (const part of parts) {
    const groups = await readPart(frame, scope, part)
    if (part.name === 'user') requests = groups[0]?.group.sums.get('requests') ?? 0
    for (const found of groups) rows.push(rowOf(part, found, requests))
  }
  return { columns, rows }
}

async function readPart({ store }: Frame, scope: Scope, { name, by, timed = false, first, limit }: Part): Promise<FoundGroup[]> {
  const metrics = timed ? [...figures, ...times] : figures
  const found = await readGroups(store, scope, { dimensions: by, metrics })
  // Calls that went well have no class of error, and those of no session make none.
  const known = name === 'error' || name === 'session' ? found.filter(({ labels }) => labels[0] !== null) : found
  const rank = ({ keys, group }: FoundGroup): number =>
    first === 'most' ? (group.sums.get('requests') ?? 0) : name === 'day' ? Number(keys[0]) : (group.lastStartMs ?? 0)
  return known.toSorted((a, b) => rank(b) - rank(a) || (String(a.labels[0]) < String(b.labels[0]) ? -1 : 1)).slice(0, limit)
}

function rowOf({ name, by, timed = false }: Part, { labels, group }: FoundGroup, requests: number): Record<string, Amount | string> {
  const [label] = labels
  const isDay = by[0] === DAY
  return {
    part: name,
    name: label === null || label === undefined ? NONE : isDay ? timeLabel('day', Number(label)) : String(label),
    ...Object.fromEntries(amountCells(timed ? [...figures, ...times] : figures, group)),
    share: requests === 0 ? null : (group.sums.get('requests') ?? 0) / requests,
    all: requests,
  }
}
