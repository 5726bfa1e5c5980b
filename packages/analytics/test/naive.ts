import type { Store } from '@spanledger/store'

import type { Filter } from '../src/query/filter.ts'

/** A call as plain text and numbers, read with joins and nothing clever. */
export interface PlainCall {
  readonly startMs: number
  readonly user: string | null
  readonly session: string | null
  readonly provider: string
  readonly requestedModel: string
  readonly responseModel: string
  readonly operation: string
  readonly status: string
  readonly error: string | null
  readonly missing: boolean
  readonly estimated: boolean
  readonly sample: boolean
  readonly costNanoUsd: number | null
  readonly reportedNanoUsd: number | null
  readonly latencyMs: number
  readonly ttftMs: number | null
  readonly tokens: Readonly<Record<string, number>>
  readonly properties: Readonly<Record<string, string>>
}

const tokenColumns = [
  'input_tokens',
  'audio_input_tokens',
  'image_input_tokens',
  'cache_read_tokens',
  'audio_cache_read_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
  'audio_output_tokens',
  'image_output_tokens',
  'reasoning_tokens',
]

/** Reads every counted call of a ledger. */
export async function readPlainCalls(store: Store): Promise<PlainCall[]> {
  const rows = await store.all<Record<string, string | number | null>>(
    `SELECT c.*, u.name AS user_name, s.name AS session_name, m.*, k.*,
       (SELECT json_group_object(pk.key, v.value) FROM segment_values AS sv JOIN property_values AS v ON v.value_id = sv.value_id
          JOIN property_keys AS pk ON pk.key_id = v.key_id WHERE sv.segment_id = c.segment_id) AS in_segment,
       (SELECT json_group_object(pk.key, v.value) FROM property_values AS v JOIN property_keys AS pk ON pk.key_id = v.key_id
          WHERE v.value_id IN (c.p1, c.p2, c.p3, c.p4, c.p5, c.p6, c.p7, c.p8)) AS in_slots
     FROM llm_calls AS c JOIN users AS u ON u.user_id = c.user_id JOIN sessions AS s ON s.session_id = c.session_id
     JOIN models AS m ON m.model_id = c.model_id JOIN kinds AS k ON k.kind_id = c.kind_id WHERE c.counted = 1`,
  )
  return rows.map((row) => ({
    startMs: Number(row['start_ms']),
    user: row['user_id'] === 0 ? null : String(row['user_name']),
    session: row['session_id'] === 0 ? null : `${String(row['user_name'])}\n${String(row['session_name'])}`,
    provider: String(row['provider']),
    requestedModel: String(row['requested_model']),
    responseModel: String(row['model']),
    operation: String(row['operation']),
    status: String(row['status']),
    error: row['error_class'] === '' ? null : String(row['error_class']),
    missing: row['usage_quality'] === 'missing',
    estimated: row['usage_quality'] === 'partial' || row['usage_quality'] === 'estimated',
    sample: row['origin'] === 'sample',
    costNanoUsd: row['cost_nano_usd'] === null ? null : Number(row['cost_nano_usd']),
    reportedNanoUsd: row['reported_cost_nano_usd'] === null ? null : Number(row['reported_cost_nano_usd']),
    latencyMs: Number(row['latency_ms']),
    ttftMs: row['ttft_ms'] === null ? null : Number(row['ttft_ms']),
    tokens: Object.fromEntries(tokenColumns.map((column) => [column, Number(row[column])])),
    properties: {
      ...(JSON.parse(String(row['overflow'] ?? '{}')) as Record<string, string>),
      ...(JSON.parse(String(row['in_segment'])) as Record<string, string>),
      ...(JSON.parse(String(row['in_slots'])) as Record<string, string>),
    },
  }))
}

/** Making one costs as much as a hundred readings of it. */
const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
    clocks.set(timeZone, clock)
  }
  return clock
}

/** Local date and hour, one call at a time. */
function localTime(ms: number, timeZone: string): { date: string; month: string; week: string; hourStart: string; minuteStart: string } {
  const parts = new Map(
    clockOf(timeZone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  )
  const date = `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`
  const noon = new Date(`${date}T12:00:00Z`)
  const monday = new Date(noon.getTime() - ((noon.getUTCDay() + 6) % 7) * 86_400_000)
  const intoHour = Number(parts.get('minute')) * 60_000 + Number(parts.get('second')) * 1000 + (ms % 1000)
  const minuteStart = new Date(ms - (ms % 60_000)).toISOString()
  return {
    date,
    month: date.slice(0, 7),
    week: monday.toISOString().slice(0, 10),
    hourStart: new Date(ms - intoHour).toISOString(),
    minuteStart,
  }
}

/** The value of a dimension, null for none. */
export function valueOf(call: PlainCall, name: string, timeZone: string): string | null {
  const property = name.startsWith('property:') ? name.slice('property:'.length) : name === 'feature' ? 'feature' : undefined
  if (property !== undefined) {
    const value = call.properties[property]
    return value === undefined || value === '(none)' ? null : value
  }
  switch (name) {
    case 'user':
      return call.user
    case 'session':
      return call.session
    case 'provider':
      return call.provider
    case 'model':
      return `${call.requestedModel}/${call.provider}`
    case 'response_model':
      return call.responseModel
    case 'operation':
      return call.operation
    case 'status':
      return call.status
    case 'error':
      return call.error
    case 'time:minute':
      return localTime(call.startMs, timeZone).minuteStart
    case 'time:hour':
      return localTime(call.startMs, timeZone).hourStart
    case 'time:day':
      return localTime(call.startMs, timeZone).date
    case 'time:week':
      return localTime(call.startMs, timeZone).week
    case 'time:month':
      return localTime(call.startMs, timeZone).month
    default:
      throw new Error(name)
  }
}

export function numberOf(call: PlainCall, name: string): number | null {
  const tokens = (...columns: string[]): number | null =>
    call.missing ? null : columns.reduce((sum, column) => sum + (call.tokens[column] ?? 0), 0)
  switch (name) {
    case 'cost_usd':
      return call.costNanoUsd === null ? null : call.costNanoUsd / 1e9
    case 'latency_ms':
      return call.latencyMs
    case 'ttft_ms':
      return call.ttftMs
    case 'total_tokens':
      return tokens(...tokenColumns)
    case 'output_tokens':
      return tokens('output_tokens', 'audio_output_tokens', 'image_output_tokens')
    default:
      throw new Error(name)
  }
}

/** Whether a filter lets a call through. */
export function passes(call: PlainCall, filter: Filter): boolean {
  const [operator, ...rest] = filter as [string, ...unknown[]]
  if (operator === 'and') return (rest as Filter[]).every((part) => passes(call, part))
  if (operator === 'or') return (rest as Filter[]).some((part) => passes(call, part))
  if (operator === 'not') return !passes(call, rest[0] as Filter)
  const name = rest[0] as string
  if (['gt', 'gte', 'lt', 'lte'].includes(operator)) {
    const [value, bound] = [numberOf(call, name), rest[1] as number]
    if (value === null) return false
    return { gt: value > bound, gte: value >= bound, lt: value < bound, lte: value <= bound }[operator] === true
  }
  const value = valueOf(call, name, 'UTC')
  if (operator === 'exists') return value !== null
  if (operator === 'missing') return value === null
  const list = (rest[1] as (string | number | boolean)[]).map(String)
  const is = list.includes(value ?? '(none)') || (name === 'model' && list.includes(call.requestedModel))
  const contains = value !== null && list.some((one) => value.includes(one))
  if (operator === 'is') return is
  if (operator === 'is_not') return !is
  if (operator === 'contains') return contains
  if (operator === 'not_contains') return !contains
  return value !== null && list.some((one) => value.startsWith(one))
}

function usd(nanoUsd: bigint): string {
  const digits = String(nanoUsd < 0n ? -nanoUsd : nanoUsd).padStart(10, '0')
  return `${nanoUsd < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`
}

function reportedFigures(calls: readonly PlainCall[]): Record<string, string | number | null> {
  const reported = calls.filter(({ reportedNanoUsd }) => reportedNanoUsd !== null)
  const both = reported.filter(({ costNanoUsd }) => costNanoUsd !== null)
  const sum = (of: readonly PlainCall[], name: 'reportedNanoUsd' | 'costNanoUsd'): bigint =>
    of.reduce((total, call) => total + BigInt(call[name] ?? 0), 0n)
  const computed = sum(both, 'costNanoUsd')
  const drift = sum(both, 'reportedNanoUsd') - computed
  return {
    reported_cost_usd: reported.length === 0 ? null : usd(sum(reported, 'reportedNanoUsd')),
    reported_cost_requests: reported.length,
    cost_drift_usd: both.length === 0 ? null : usd(drift),
    cost_drift: computed === 0n ? null : Number(drift) / Number(computed),
  }
}

/** Exact figures of a set of calls; latency percentiles by nearest rank over the calls themselves. */
export function figuresOf(calls: readonly PlainCall[], timeZone: string): Record<string, string | number | null> {
  const requests = calls.length
  const known = calls.filter((call) => !call.missing)
  const priced = calls.filter((call) => call.costNanoUsd !== null)
  const cost = priced.reduce((sum, call) => sum + BigInt(call.costNanoUsd ?? 0), 0n)
  const tokens = (...columns: string[]): number | null =>
    requests > 0 && known.length === 0
      ? null
      : known.reduce((sum, call) => sum + columns.reduce((of, column) => of + (call.tokens[column] ?? 0), 0), 0)
  const rank = (values: number[], q: number): number | null =>
    values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * values.length)) - 1] ?? null
  const errors = calls.filter(({ status }) => status === 'error').length
  return {
    requests,
    users: new Set(calls.flatMap(({ user }) => user ?? [])).size,
    sessions: new Set(calls.flatMap(({ session }) => session ?? [])).size,
    cost_usd: requests > 0 && priced.length === 0 ? null : usd(cost),
    ...reportedFigures(calls),
    rate_limited_requests: calls.filter(({ error }) => error === 'rate_limit').length,
    input_tokens: tokens('input_tokens', 'audio_input_tokens', 'image_input_tokens'),
    cache_read_tokens: tokens('cache_read_tokens', 'audio_cache_read_tokens'),
    cache_write_tokens: tokens('cache_write_5m_tokens', 'cache_write_1h_tokens'),
    output_tokens: tokens('output_tokens', 'audio_output_tokens', 'image_output_tokens'),
    reasoning_tokens: tokens('reasoning_tokens'),
    total_tokens: tokens(...tokenColumns),
    errors,
    error_rate: requests === 0 ? null : errors / requests,
    cancelled: calls.filter(({ status }) => status === 'cancelled').length,
    unpriced_requests: requests - priced.length,
    unpriced_tokens: calls
      .filter(({ costNanoUsd }) => costNanoUsd === null)
      .reduce((sum, call) => sum + tokenColumns.reduce((of, column) => of + (call.tokens[column] ?? 0), 0), 0),
    estimated_requests: calls.filter(({ estimated }) => estimated).length,
    missing_usage_requests: requests - known.length,
    sample_requests: calls.filter(({ sample }) => sample).length,
    active_days: new Set(calls.flatMap(({ user, startMs }) => (user === null ? [] : `${user}\n${localTime(startMs, timeZone).date}`))).size,
    latency_avg_ms: requests === 0 ? null : Math.round((calls.reduce((sum, call) => sum + call.latencyMs, 0) / requests) * 1000) / 1000,
    latency_p50_ms: rank(
      calls.map(({ latencyMs }) => latencyMs),
      0.5,
    ),
    latency_p95_ms: rank(
      calls.map(({ latencyMs }) => latencyMs),
      0.95,
    ),
    ttft_p50_ms: rank(
      calls.flatMap(({ ttftMs }) => ttftMs ?? []),
      0.5,
    ),
  }
}

/** Groups calls by dimensions; the key is the JSON of the shown values. */
export function groupCalls(calls: readonly PlainCall[], by: readonly string[], timeZone: string): Map<string, PlainCall[]> {
  const groups = new Map<string, PlainCall[]>()
  for (const call of calls) {
    const key = JSON.stringify(by.map((name) => valueOf(call, name, timeZone) ?? '(none)'))
    groups.set(key, [...(groups.get(key) ?? []), call])
  }
  return groups
}
