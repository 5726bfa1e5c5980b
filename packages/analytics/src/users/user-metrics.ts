import { formatUsd } from '@spanledger/conventions'
import type { Store } from '@spanledger/store'

import { openFrame, scopeOf, type Clock, type Frame } from '../read/frame.ts'
import { keptId } from '../ledger/kept-id.ts'
import { readAliasNames } from '../ledger/persons.ts'
import { readLatestUsers } from '../ledger/seen-users.ts'
import { readRows } from '../ledger/snapshot.ts'
import { noPreference, readPreferences, type Preference } from '../people/behavior/read-preferences.ts'
import { readStyles } from '../people/behavior/read-styles.ts'
import { fillUsers, readTops, topOf } from './user-columns.ts'
import { noHabits, readHabits, type Habits } from './user-habits.ts'

/** What an app may decide by while it serves a user. All history up to the last time the copy was loaded. */
export interface UserMetrics extends Habits {
  readonly user: string
  /** False for a user the ledger does not know or the copy had no room for, and as long as nothing was loaded. */
  readonly known: boolean
  readonly requests: number
  /** USD as decimal text; null where no call of the user has a price, or there is none. */
  readonly cost_usd: string | null
  readonly total_tokens: number | null
  readonly error_rate: number | null
  readonly active_days: number
  readonly requests_per_active_day: number | null
  readonly sessions: number
  readonly first_seen: string | null
  readonly last_seen: string | null
  readonly top_model: string | null
  readonly top_feature: string | null
  /** One of power, casual, new, at_risk, churned, or of the app's own; several, with commas, where these do not exclude each other. */
  readonly segment: string | null
  /** The user would rather have it fast, or good: told by a property, or by the models the user chose; both false where nothing tells. */
  readonly prefers_speed: boolean
  readonly prefers_quality: boolean
  /** What these two are said by. */
  readonly preference: Omit<Preference, 'prefers'>
  /** How the user writes, where the instrumentation tells (`communicationStyle`); null where it is not known, or mixed. */
  readonly communication_style: 'formal' | 'casual' | null
}

/** How many users the copy holds unless told otherwise. */
export const DEFAULT_MAX_USERS = 50_000
/** How old the copy may be before a use begins to renew it. */
const RENEW_AFTER_MS = 60_000
/** Users loaded at a time: parsing one step's text must not hold up the app's event loop. */
const STEP = 250

type Facts = Omit<UserMetrics, 'user' | 'known'>

/** Users of whom nothing is said share one object. */
function evidenceOf({ basis, requests, fast_share, quality_share }: Preference): UserMetrics['preference'] {
  return { basis, requests, fast_share, quality_share }
}

const neutral: Facts = {
  requests: 0,
  cost_usd: null,
  total_tokens: null,
  error_rate: null,
  active_days: 0,
  requests_per_active_day: null,
  sessions: 0,
  first_seen: null,
  last_seen: null,
  top_model: null,
  top_feature: null,
  ...noHabits,
  segment: null,
  prefers_speed: false,
  prefers_quality: false,
  preference: evidenceOf(noPreference),
  communication_style: null,
}

/** What is said of a user of whom nothing is known. */
export function unknownUser(userId: string): UserMetrics {
  return { user: userId, known: false, ...neutral }
}

/** A copy in memory of what the users that called last did. */
export interface UserMetricsCopy {
  of(userId: string): UserMetrics
  load(): Promise<void>
  /** The same of one user, read from the ledger now. */
  read(userId: string): Promise<UserMetrics>
}

interface Settings {
  readonly clock: () => Clock
  readonly maxUsers: number
}

export function openUserMetrics(store: Store, { clock, maxUsers }: Settings): UserMetricsCopy {
  let facts: ReadonlyMap<string, Facts> = new Map()
  let loading: Promise<void> | undefined
  let loadedMs = Number.NEGATIVE_INFINITY
  const renew = async (): Promise<void> => {
    try {
      facts = await readFacts(store, { clock: clock(), users: { latest: maxUsers } })
    } finally {
      loading = undefined
      loadedMs = Date.now()
    }
  }
  const load = (): Promise<void> => (loading ??= renew())
  return {
    load,
    read: async (userId) => {
      const name = keptId(userId)
      const found = (await readFacts(store, { clock: clock(), users: { name } })).get(name)
      return found === undefined ? unknownUser(userId) : { user: userId, known: true, ...found }
    },
    of: (userId) => {
      // A store that cannot be read leaves the copy as it is: this is called while an app serves its users.
      if (Date.now() - loadedMs > RENEW_AFTER_MS) load().catch(() => undefined)
      const found = facts.get(keptId(userId))
      return found === undefined ? unknownUser(userId) : { user: userId, known: true, ...found }
    },
  }
}

/** Each step reads the state of its moment; a copy that is renewed every minute needs no single one. */
async function readFacts(store: Store, { clock, users: chosen }: FactsAsked): Promise<ReadonlyMap<string, Facts>> {
  const frame = await openFrame(store, clock, { by: ['user'], where: undefined })
  // Calls whose clock runs ahead belong to all history too, and with them the rollups hold exactly what is asked.
  const [latest] = await store.all<{ ms: number | null }>('SELECT max(start_ms) AS ms FROM llm_calls')
  const toMs = Math.max(clock.asOfMs, (latest?.ms ?? 0) + 1)
  const scope = await scopeOf({ ...frame, clock: { ...clock, asOfMs: toMs } }, { fromMs: frame.period.fromMs, toMs })
  const facts = new Map<string, Facts>()
  const aliases = await readAliasNames(store)
  const userIds =
    'latest' in chosen
      ? await readLatestUsers(store, chosen.latest)
      : await readUserId(store, new Map(aliases).get(chosen.name) ?? chosen.name)
  for (let at = 0; at < userIds.length; at += STEP) {
    const users = await readRows<[number, string]>(store, {
      text: 'SELECT json_group_array(json_array(user_id, name)) AS rows FROM users WHERE user_id IN (SELECT value FROM json_each(?))',
      values: [JSON.stringify(userIds.slice(at, at + STEP))],
    })
    await readStep(frame, scope, { users, facts })
  }
  for (const [alias, name] of aliases) {
    const found = facts.get(name)
    if (found !== undefined) facts.set(alias, found)
  }
  return facts
}

interface FactsAsked {
  readonly clock: Clock
  /** So many that called last, or one. */
  readonly users: { readonly latest: number } | { readonly name: string }
}

async function readUserId(store: Store, name: string): Promise<number[]> {
  const rows = await store.all<{ user_id: number }>('SELECT user_id FROM users WHERE name = ? AND user_id <> 0', name)
  return rows.map(({ user_id }) => user_id)
}

async function readStep(
  frame: Frame,
  scope: Parameters<typeof fillUsers>[1],
  { users, facts }: { users: readonly (readonly [number, string])[]; facts: Map<string, Facts> },
): Promise<void> {
  const userIds = users.map(([id]) => id)
  const filled = await fillUsers(frame, scope, {
    userIds,
    metrics: ['requests', 'cost_usd', 'total_tokens', 'error_rate', 'active_days', 'sessions'],
    columns: ['requests_per_active_day', 'first_seen', 'last_seen', 'segment'],
  })
  const tops = await readTops(frame, { ...scope, userIds }, ['top_model', 'top_feature'])
  const habits = await readHabits(frame, userIds, tops)
  const preferences = await readPreferences(frame, scope, userIds)
  const styles = await readStyles(frame, scope, userIds)
  for (const [id, name] of users) {
    const cells = filled.get(id)?.cells
    if (cells === undefined) continue
    const preference = preferences.get(id)
    const number = (key: string): number | null => (cells.get(key) ?? null) as number | null
    const text = (key: string): string | null => (cells.get(key) ?? null) as string | null
    const time = (key: string): string | null => (number(key) === null ? null : new Date(number(key) ?? 0).toISOString())
    const cost = cells.get('cost_usd')
    facts.set(name, {
      requests: number('requests') ?? 0,
      cost_usd: typeof cost === 'bigint' ? formatUsd(cost) : null,
      total_tokens: number('total_tokens'),
      error_rate: number('error_rate'),
      active_days: number('active_days') ?? 0,
      requests_per_active_day: number('requests_per_active_day'),
      sessions: number('sessions') ?? 0,
      first_seen: time('first_seen'),
      last_seen: time('last_seen'),
      top_model: topOf(tops.models.get(id)),
      top_feature: topOf(tops.features.get(id)),
      ...(habits.get(id) ?? noHabits),
      segment: text('segment'),
      prefers_speed: preference?.prefers === 'speed',
      prefers_quality: preference?.prefers === 'quality',
      preference: preference === undefined ? neutral.preference : evidenceOf(preference),
      communication_style: styles.get(id)?.style ?? null,
    })
  }
}
