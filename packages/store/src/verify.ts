import { countAliasFaults } from './users/aliases.ts'
import { compareDays } from './days/closed-days.ts'
import { countInheritedFaults } from './users/inherited-traits.ts'
import { compareKept } from './sessions/keep-sessions.ts'
import { compareRollups, createTemporaryRollups, fillRollups } from './rollups/rollups.ts'
import { countSavedFaults } from './write/saved.ts'
import { StoreError } from './sqlite/store-error.ts'
import { checkCosts, type OnProgress } from './verify-costs.ts'
import type { Sqlite } from './sqlite/sqlite.ts'
import type { Zone } from './zone.ts'

/** The outcome of `verify`: one line per check. */
export interface Verification {
  readonly ok: boolean
  readonly checks: readonly Check[]
}

export interface Check {
  readonly name: string
  readonly ok: boolean
  /** What was compared, or what is wrong. */
  readonly detail: string
  /** Where it does not hold: whether computing all that is derived anew from the calls mends it. It never mends the calls. */
  readonly isDerived: boolean
}

export interface VerifyOptions {
  /** `calls`: only what nothing can be computed anew from: the file, its references, the costs of the calls. */
  readonly only?: 'calls' | undefined
  /** Called while the costs of calls are computed anew. */
  readonly onProgress?: OnProgress | undefined
}

/** A check as whoever makes it knows it. */
type Finding = Omit<Check, 'isDerived'>

interface Look {
  readonly name: string
  readonly isDerived: boolean
  readonly look: () => Promise<Finding | readonly Finding[]>
}

/** Checks a file against itself. Reads one consistent state; writes nothing but temporary tables. */
export async function verifyLedger(db: Sqlite, zone: Zone, { only, onProgress }: VerifyOptions = {}): Promise<Verification> {
  const looks: readonly Look[] = [
    { name: 'integrity', isDerived: false, look: () => checkPragma(db, { name: 'integrity', pragma: 'integrity_check', good: 'ok' }) },
    {
      name: 'references',
      isDerived: false,
      look: () => checkPragma(db, { name: 'references', pragma: 'foreign_key_check', good: undefined }),
    },
    { name: 'costs', isDerived: false, look: () => checkPrices(db, onProgress) },
    { name: 'rollups', isDerived: true, look: () => checkRollups(db, zone) },
    { name: 'sessions', isDerived: true, look: () => checkSessions(db) },
    { name: 'totals', isDerived: true, look: () => checkTotals(db) },
    { name: 'events', isDerived: false, look: () => checkEvents(db) },
    { name: 'aliases', isDerived: false, look: () => checkAliases(db) },
    { name: 'traits', isDerived: false, look: () => checkTraits(db) },
    { name: 'cache hits', isDerived: false, look: () => checkSaved(db) },
  ]
  await db.exec('BEGIN')
  try {
    const checks: Check[] = []
    for (const one of looks) if (only !== 'calls' || !one.isDerived) checks.push(...(await lookAt(one)))
    return { ok: checks.every((check) => check.ok), checks }
  } finally {
    await db.exec('ROLLBACK')
  }
}

/** A damaged file cannot be read everywhere: what cannot be looked at does not keep the other checks from being made. */
async function lookAt({ name, isDerived, look }: Look): Promise<Check[]> {
  try {
    return [await look()].flat().map(({ name: of, ok, detail }) => ({ name: of, ok, detail, isDerived }))
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'not_a_ledger')) throw error
    return [{ name, ok: false, detail: `cannot be looked at: ${error.message}`, isDerived: false }]
  }
}

async function checkPragma(
  db: Sqlite,
  { name, pragma, good }: { name: string; pragma: string; good: string | undefined },
): Promise<Finding> {
  const rows = await db.all<Record<string, string>>(`PRAGMA ${pragma}`)
  const found = rows.map((row) => Object.values(row).join(' '))
  const bad = found.filter((line) => line !== good)
  return { name, ok: bad.length === 0, detail: bad.length === 0 ? `PRAGMA ${pragma}: nothing wrong` : bad.slice(0, 5).join('; ') }
}

/** What a call cost stands in it once, and in nothing that is computed from elsewhere: only its own tokens and price can tell. */
async function checkPrices(db: Sqlite, onProgress: OnProgress | undefined): Promise<Finding> {
  const { calls, differing, uncheckable, overNanoUsd, underNanoUsd, examples } = await checkCosts(db, onProgress)
  const name = 'costs'
  const unsaid = uncheckable === 0 ? '' : `; ${uncheckable} have a price without prices of units, which nothing can be computed from`
  if (differing === 0)
    return { name, ok: true, detail: `${calls - uncheckable} calls cost what their tokens and the prices kept with them give${unsaid}` }
  const sums = `${overNanoUsd} nano-USD too much, ${underNanoUsd} too little`
  const which = `${examples.join(', ')}${differing > examples.length ? ', …' : ''}`
  const detail = `${differing} of ${calls} calls do not cost what their tokens and the price kept with them give: ${sums} (trace/span ${which})`
  return { name, ok: false, detail }
}

async function checkRollups(db: Sqlite, zone: Zone): Promise<Finding[]> {
  await createTemporaryRollups(db)
  await fillRollups(db, zone, 'temp')
  const compared = [...(await compareRollups(db)), ...(await compareDays(db, zone)), ...(await compareKept(db, zone))]
  return compared.map(([table, { rows, differing }]) => ({
    name: table,
    ok: differing === 0,
    detail: differing === 0 ? `${rows} rows equal what the calls give` : `${differing} rows differ from what the calls give`,
  }))
}

async function checkSessions(db: Sqlite): Promise<Finding> {
  const [row] = await db.all<{ differing: number }>(
    `SELECT count(*) AS differing FROM sessions AS s
     LEFT JOIN (SELECT session_id, min(start_ms) AS first_ms, max(start_ms) AS last_ms FROM llm_calls WHERE counted = 1 GROUP BY session_id) AS c
       ON c.session_id = s.session_id
     WHERE s.session_id <> 0 AND (s.first_ms IS NOT c.first_ms OR s.last_ms IS NOT c.last_ms)`,
  )
  const differing = row?.differing ?? 0
  return {
    name: 'sessions',
    ok: differing === 0,
    detail:
      differing === 0 ? 'first and last calls agree with the calls' : `${differing} sessions have a first or last call that no call has`,
  }
}

async function checkSaved(db: Sqlite): Promise<Finding> {
  const faults = await countSavedFaults(db)
  return {
    name: 'cache hits',
    ok: faults === 0,
    detail: faults === 0 ? 'each has what it saved, and no other call does' : `${faults} cache hits lack what they saved, or have it twice`,
  }
}

/** Three ways to the total: the calls, the users' months, the models' days. */
async function checkTotals(db: Sqlite): Promise<Finding> {
  const [sums] = await db.all<{ calls: string; users: string; models: string }>(
    `SELECT (SELECT count(*) || ' calls, ' || coalesce(sum(cost_nano_usd), 0) FROM llm_calls WHERE counted = 1) AS calls,
      (SELECT coalesce(sum(requests), 0) || ' calls, ' || coalesce(sum(cost_nano_usd), 0) FROM rollup_users WHERE bucket % 100 = 0) AS users,
      (SELECT coalesce(sum(requests), 0) || ' calls, ' || coalesce(sum(cost_nano_usd), 0) FROM rollup_models WHERE bucket % 100 <> 0) AS models`,
  )
  const ok = sums !== undefined && sums.calls === sums.users && sums.calls === sums.models
  return {
    name: 'totals',
    ok,
    detail: ok
      ? `${sums.calls} nano-USD, however summed`
      : `calls: ${sums?.calls}; users: ${sums?.users}; models: ${sums?.models} (nano-USD)`,
  }
}

/** What an event is about must be known of it, and its session must be its user's. */
async function checkEvents(db: Sqlite): Promise<Finding> {
  const [row] = await db.all<{ events: number; wrong: number }>(
    `SELECT count(*) AS events,
      coalesce(sum((e.session_id <> 0 AND s.user_id <> e.user_id)
        OR (e.target_kind = 'session' AND e.session_id = 0) OR (e.target_kind = 'user' AND e.user_id = 0)
        OR ((e.target = '') <> (e.target_kind IN ('session', 'user', 'itself')))), 0) AS wrong
     FROM events AS e JOIN sessions AS s ON s.session_id = e.session_id`,
  )
  const { events = 0, wrong = 0 } = row ?? {}
  return {
    name: 'events',
    ok: wrong === 0,
    detail:
      wrong === 0 ? `${events} events, each about something that is known of it` : `${wrong} of ${events} events contradict themselves`,
  }
}

async function checkAliases(db: Sqlite): Promise<Finding> {
  const faults = await countAliasFaults(db)
  return {
    name: 'aliases',
    ok: faults === 0,
    detail:
      faults === 0 ? 'nothing stands under a user that is an alias of another' : `${faults} rows stand under the wrong user of an alias`,
  }
}

async function checkTraits(db: Sqlite): Promise<Finding> {
  const faults = await countInheritedFaults(db)
  return {
    name: 'traits',
    ok: faults === 0,
    detail: faults === 0 ? 'users have the traits of their aliases, and no others' : `${faults} traits of aliases are missing, or nobody's`,
  }
}
