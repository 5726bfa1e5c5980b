import { localDaySql } from './compile-dimension.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'
import { sumNames, type Need, type SumName } from '../sums/group.ts'
import type { Said } from '../sums/group.ts'
import type { Scope, Source } from './scope.ts'

/** The part of a call's amount that a group has: all of it, or a share where calls stand in several groups. */
export type Share = (amount: string) => string

/** What is read of a group together with its sums, or by itself. */
export type GroupNeed = Exclude<Need, 'latency' | 'ttft' | 'outcomes' | 'retries' | 'messages' | 'estimate' | 'whole' | Said>

type TokenSum = Extract<SumName, `${string}_tokens`> | 'web_searches'

/** How the calls name each sum. Amounts can be shared; that a call was made, failed or took its time cannot. */
const callSums: Readonly<Record<SumName, (share: Share) => string>> = {
  requests: () => 'count(*)',
  errors: () => "sum(kinds.status = 'error')",
  cancelled: () => "sum(kinds.status = 'cancelled')",
  unpriced_requests: () => 'sum(c.cost_nano_usd IS NULL)',
  estimated_requests: () => "sum(kinds.usage_quality IN ('estimated', 'partial'))",
  missing_usage_requests: () => "sum(kinds.usage_quality = 'missing')",
  samples: () => "sum(kinds.origin = 'sample')",
  cost_nano_usd: (share) => `sum(${share('c.cost_nano_usd')})`,
  ...(Object.fromEntries(
    sumNames
      .filter((name) => name.endsWith('_tokens') || name === 'web_searches')
      .map((name) => [name, (share: Share) => `sum(${share(`c.${name}`)})`]),
  ) as Record<TokenSum, (share: Share) => string>),
  latency_ms_sum: () => 'sum(c.latency_ms)',
  rate_limited_requests: () => "sum(kinds.error_class = 'rate_limit')",
}

const whole: Share = (amount) => amount

export function callSum(name: SumName, share: Share = whole): Fragment {
  return raw(callSums[name](share))
}

/** Whether a sum looks at what kind of call it was. */
export function needsKinds(name: SumName): boolean {
  return callSums[name](whole).includes('kinds.')
}

/** The tokens of a call, of whatever kind. */
const everyToken = `(${sumNames
  .filter((name) => name.endsWith('_tokens'))
  .map((name) => `c.${name}`)
  .join(' + ')})`

const hasBothCosts = 'c.reported_cost_nano_usd IS NOT NULL AND c.cost_nano_usd IS NOT NULL'

/** The columns each need adds, in order. */
const needColumns: Readonly<Record<GroupNeed, Partial<Record<Source, (scope: Scope, share: Share) => Fragment[]>>>> = {
  users: {
    calls: () => [raw('count(DISTINCT nullif(c.user_id, 0))')],
    users: () => [raw('count(DISTINCT nullif(r.user_id, 0))')],
  },
  sessions: { calls: () => [raw('count(DISTINCT nullif(c.session_id, 0))')] },
  active_days: {
    calls: (scope) => [sql`count(DISTINCT iif(c.user_id = 0, NULL, c.user_id || ' ' || ${localDaySql(scope)}))`],
    users: () => [raw('sum(iif(r.user_id = 0, 0, r.active_days))')],
  },
  // Read by itself, from the hits to their calls: few calls are hits.
  saved: {
    calls: (_, share) => [
      raw('count(*)'),
      raw(`coalesce(sum(${share('sv.saved_tokens')}), 0)`),
      raw(`CAST(coalesce(sum(${share('sv.saved_cost_nano_usd')}), 0) AS TEXT)`),
      raw('coalesce(sum(sv.saved_cost_nano_usd IS NULL), 0)'),
    ],
  },
  reported: {
    calls: (_, share) => [
      raw('count(c.reported_cost_nano_usd)'),
      raw(`CAST(coalesce(sum(${share('c.reported_cost_nano_usd')}), 0) AS TEXT)`),
      raw(`coalesce(sum(${hasBothCosts}), 0)`),
      raw(`CAST(coalesce(sum(iif(${hasBothCosts}, ${share('c.reported_cost_nano_usd')}, 0)), 0) AS TEXT)`),
      raw(`CAST(coalesce(sum(iif(${hasBothCosts}, ${share('c.cost_nano_usd')}, 0)), 0) AS TEXT)`),
    ],
  },
  unpriced: {
    calls: (_, share) => [raw(`coalesce(sum(iif(c.cost_nano_usd IS NULL, ${share(everyToken)}, 0)), 0)`)],
  },
  extent: { calls: () => [raw('min(c.start_ms)'), raw('max(c.start_ms)'), raw('max(c.start_ms + c.latency_ms)')] },
}

export function needSql(need: GroupNeed, source: Source, scope: Scope, share: Share = whole): Fragment[] {
  return needColumns[need][source]?.(scope, share) ?? []
}

/** How many columns each need adds. */
export const needWidth: Readonly<Record<GroupNeed, number>> = {
  users: 1,
  sessions: 1,
  active_days: 1,
  extent: 3,
  saved: 4,
  reported: 5,
  unpriced: 1,
}

/** Whether a need is read from tables of its own, and so not together with others. */
export function isReadApart(need: Need): boolean {
  return need === 'saved'
}

/** Whether a need is read as columns of a group; the others have readers of their own. */
export function isGroupNeed(need: Need): need is GroupNeed {
  return Object.hasOwn(needColumns, need)
}

/** Whether a source can give a need. */
export function gives(source: Source, need: Need): boolean {
  return !isGroupNeed(need) || needColumns[need][source] !== undefined
}
