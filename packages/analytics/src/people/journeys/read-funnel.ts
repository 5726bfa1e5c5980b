import { compileBase } from '../../plan/compile.ts'
import { openFrame, scopeOf, type Frame } from '../../read/frame.ts'
import { raw, sql, type Fragment } from '../../ledger/fragment.ts'
import type { Path } from '../../journey/funnel.ts'
import { milestoneSteps, type Way } from '../../journey/way.ts'
import { readRows } from '../../ledger/snapshot.ts'
import type { FunnelStepWords, OnceName } from './funnel-steps.ts'
import { reachedGoals } from './reached-goals.ts'
import { readPersons } from '../histories/read-persons.ts'
import { readWays } from './read-ways.ts'
import type { BadSignUps } from '../../read/read-sign-ups.ts'

/** How far users came. */
export interface ReadFunnel {
  readonly paths: readonly Path[]
  /** Users who took the first step so lately that the time for the others is not over; they are left out. */
  readonly pending: number
  /** Undefined where no step takes the ways of users to know. */
  readonly badSignUps: BadSignUps | undefined
  readonly warnings: readonly string[]
}

/** Where a user stands in the funnel, and from when on, up to when, the next step counts. */
interface Walker {
  readonly steps: number[]
  /** The call of the last step that was one: a call is one step only. */
  call: string
}

interface FunnelOptions {
  readonly isBegun: boolean
  readonly withinMs: number
  readonly advancedFeatures: readonly string[] | undefined
}

/**
 * Follows users from the first time in the period that they took the first step, each next step being the first that qualifies behind
 * the one before it, for `withinMs` at most.
 */
export async function readFunnel(frame: Frame, words: readonly FunnelStepWords[], options: FunnelOptions): Promise<ReadFunnel> {
  const { toMs } = frame.period
  // All history begins with the first call; an event may have been before it.
  const fromMs = options.isBegun ? frame.period.fromMs : 0
  const { once, badSignUps } = await readOnce(frame, words, options)
  const chosen = frame.where === undefined ? undefined : (await readPersons(frame)).people
  const walkers = new Map<number, Walker>()
  for (const [n, step] of words.entries()) {
    const same = words.findLastIndex((one, at) => at < n && isSameEvent(one, step))
    const spans: Span[] = [...walkers].flatMap(([userId, { steps, call }]) =>
      steps.length < n ? [] : [[userId, nextFromMs(steps, same), (steps[0] ?? 0) + options.withinMs, call] as const],
    )
    const found = await readStep(frame, {
      step,
      once,
      spans: n === 0 ? undefined : spans,
      period: n === 0 ? { fromMs, toMs } : boundsOf(spans),
    })
    for (const [userId, ms, call] of found) {
      const walker = walkers.get(userId)
      if (walker !== undefined) {
        walker.steps.push(ms)
        if (call !== '') walker.call = call
      } else if (n === 0 && chosen?.has(userId) !== false) walkers.set(userId, { steps: [ms], call })
    }
  }
  const all = [...walkers.values()].map(({ steps }) => steps as unknown as Path)
  const known = all.filter(([enteredMs]) => enteredMs + options.withinMs <= frame.clock.asOfMs)
  return { paths: known, pending: all.length - known.length, badSignUps, warnings: await unknownEvents(frame, words) }
}

/** Whether one event could be both steps; of calls it is known which were steps already. */
function isSameEvent(one: FunnelStepWords, other: FunnelStepWords): boolean {
  return one.kind !== 'call' && one.kind === other.kind && one.name === (other as { name: string }).name
}

/** From when on the next step counts: what was a step already is not another one, so that it must come later. */
function nextFromMs(steps: readonly number[], same: number): number {
  return Math.max(steps.at(-1) ?? 0, (steps[same] ?? -1) + 1)
}

type Span = readonly [userId: number, fromMs: number, toMs: number, call: string]
type Found = readonly [userId: number, ms: number, call: string]

function boundsOf(spans: readonly Span[]): { fromMs: number; toMs: number } {
  const fromMs = spans.reduce((least, [, from]) => Math.min(least, from), Number.MAX_SAFE_INTEGER)
  return { fromMs, toMs: spans.reduce((most, [, , to]) => Math.max(most, to), 0) }
}

interface StepReading {
  readonly step: FunnelStepWords
  readonly once: ReadonlyMap<OnceName, ReadonlyMap<number, number>>
  /** Undefined at the first step, which anybody may take. */
  readonly spans: readonly Span[] | undefined
  readonly period: { readonly fromMs: number; readonly toMs: number }
}

/** The first time that each user took a step. */
async function readStep(frame: Frame, { step, once, spans, period }: StepReading): Promise<readonly Found[]> {
  if (spans?.length === 0) return []
  if (step.kind === 'once') {
    const takers = once.get(step.name) ?? new Map<number, number>()
    if (spans === undefined) {
      return [...takers].filter(([, ms]) => ms >= period.fromMs && ms < period.toMs).map(([userId, ms]) => [userId, ms, ''])
    }
    return spans.flatMap(([userId, fromMs, toMs]) => {
      const ms = takers.get(userId)
      return ms !== undefined && ms >= fromMs && ms < toMs ? [[userId, ms, ''] as const] : []
    })
  }
  const toMs = Math.min(period.toMs, frame.clock.asOfMs)
  if (toMs <= period.fromMs) return []
  const source =
    step.kind === 'call' ? await callsSql(frame, step, { ...period, toMs }) : eventsSql(step, { ...period, toMs }, frame.clock.asOfMs)
  const within =
    spans === undefined
      ? raw('')
      : // GROUP BY and CAST let SQLite index the spans, of which each user has one.
        sql`CROSS JOIN (SELECT CAST(value->>0 AS INTEGER) AS user_id, value->>1 AS from_ms, value->>2 AS to_ms, value->>3 AS call
          FROM json_each(${JSON.stringify(spans)}) GROUP BY 1) AS x
          ON x.user_id = f.user_id AND f.ms >= x.from_ms AND f.ms < x.to_ms AND (f.call = '' OR f.call > x.call)`
  return readRows<Found>(
    frame.store,
    sql`SELECT json_group_array(json_array(user_id, ms, call)) AS rows FROM (
      SELECT f.user_id, min(f.ms) AS ms, min(f.call) AS call FROM (${source}) AS f ${within} GROUP BY f.user_id)`,
  )
}

/** Calls that fit a filter; `call` stands in their order. */
async function callsSql(
  frame: Frame,
  step: FunnelStepWords & { kind: 'call' },
  period: { fromMs: number; toMs: number },
): Promise<Fragment> {
  const { store, clock, traits, attribution } = frame
  const own = await openFrame(store, clock, { by: [], where: step.where, traits, attribution })
  const base = compileBase({ source: 'calls', dimensions: [], sums: [], needs: [] }, await scopeOf(own, period))
  // The calls know every filter.
  if (base === undefined) throw new Error('The calls cannot answer this reading.')
  return sql`SELECT c.user_id, c.start_ms AS ms, printf('%015d', c.start_ms) || hex(c.span_id) || hex(c.trace_id) AS call
    ${base.from} AND c.user_id <> 0`
}

function eventsSql(
  { kind, name }: FunnelStepWords & { kind: 'goal' | 'milestone' | 'exposed' | 'plan' },
  { fromMs, toMs }: { fromMs: number; toMs: number },
  asOfMs: number,
): Fragment {
  if (kind === 'goal') {
    return sql`SELECT user_id, ms, '' AS call FROM (${reachedGoals(asOfMs)}) WHERE name = ${name} AND ms >= ${fromMs} AND ms < ${toMs}`
  }
  const only = {
    // The first time counts: later ones are no steps.
    milestone: sql`s.kind = 'milestone' AND s.name = ${name}`,
    exposed: sql`s.kind = 'exposed' AND s.name = ${name} AND e.outcome IS NULL`,
    plan: sql`s.kind = 'plan_change' AND e.outcome = ${name}`,
  }[kind]
  const events = sql`SELECT e.user_id, e.start_ms AS ms FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
    WHERE ${only} AND e.user_id <> 0 AND e.start_ms < ${asOfMs}`
  const counted = kind === 'plan' ? events : sql`SELECT user_id, min(ms) AS ms FROM (${events}) GROUP BY user_id`
  return sql`SELECT user_id, ms, '' AS call FROM (${counted}) WHERE ms >= ${fromMs} AND ms < ${toMs}`
}

/** When users took the steps that they take once, for those that are asked for. */
async function readOnce(
  frame: Frame,
  words: readonly FunnelStepWords[],
  { advancedFeatures }: FunnelOptions,
): Promise<Pick<ReadFunnel, 'badSignUps'> & Pick<StepReading, 'once'>> {
  const names = new Set(words.flatMap((step) => (step.kind === 'once' ? [step.name] : [])))
  if (names.size === 0) return { once: new Map(), badSignUps: undefined }
  const { ways, badSignUps } = await readWays({ ...frame, where: undefined }, { isBegun: false, advancedFeatures })
  const read: Readonly<Record<'signup' | 'first_request', (way: Way) => number | undefined>> = {
    signup: ({ person }) => person.signUp?.ms,
    first_request: ({ journey }) => journey?.first.ms,
  }
  const once = new Map(
    [...names].map((name) => {
      const at = name === 'signup' || name === 'first_request' ? read[name] : milestoneSteps.find((step) => step.name === name)?.at
      return [
        name,
        new Map(
          ways.flatMap((way) => {
            const ms = at?.(way)
            return ms === undefined ? [] : [[Number(way.person.user), ms] as const]
          }),
        ),
      ] as const
    }),
  )
  return { once, badSignUps }
}

/** Steps by events of a name that nobody has told. */
async function unknownEvents({ store, clock }: Frame, words: readonly FunnelStepWords[]): Promise<string[]> {
  const warnings: string[] = []
  for (const step of words) {
    if (step.kind === 'call' || step.kind === 'once') continue
    const [row] = await store.all<{ known: number }>(
      `SELECT EXISTS (SELECT 1 FROM event_subjects AS s CROSS JOIN events AS e ON e.subject_id = s.subject_id
        WHERE s.kind = ?1 AND (s.kind = 'plan_change' OR s.name = ?2) AND (s.kind <> 'plan_change' OR e.outcome = ?2) AND e.start_ms < ?3) AS known`,
      step.kind === 'plan' ? 'plan_change' : step.kind,
      step.name,
      clock.asOfMs,
    )
    if (row?.known !== 1) warnings.push(`nobody has told ${JSON.stringify(step.text)}`)
  }
  return warnings
}
