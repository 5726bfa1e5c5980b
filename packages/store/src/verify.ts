import { countAliasFaults } from './users/aliases.ts'
import { compareDays } from './days/closed-days.ts'
import { countInheritedFaults } from './users/inherited-traits.ts'
import { compareKept } from './sessions/keep-sessions.ts'
import { compareRollups, createTemporaryRollups, fillRollups } from './rollups/rollups.ts'
import { countSavedFaults } from './write/saved.ts'
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
}

/** Checks a file against itself. Reads one consistent state; writes nothing but temporary tables. */
export async function verifyLedger(db: Sqlite, zone: Zone): Promise<Verification> {
  await db.exec('BEGIN')
  try {
    const checks = [
      await checkPragma(db, { name: 'integrity', pragma: 'integrity_check', good: 'ok' }),
      await checkPragma(db, { name: 'references', pragma: 'foreign_key_check', good: undefined }),
      ...(await checkRollups(db, zone)),
      await checkSessions(db),
      await checkTotals(db),
      await checkEvents(db),
      await checkAliases(db),
      await checkTraits(db),
      await checkSaved(db),
    ]
    return { ok: checks.every((check) => check.ok), checks }
  } finally {
    await db.exec('ROLLBACK')
  }
}

async function checkPragma(db: Sqlite, { name, pragma, good }: { name: string; pragma: string; good: string | undefined }): Promise<Check> {
  const rows = await db.all<Record<string, string>>(`PRAGMA ${pragma}`)
  const found = rows.map((row) => Object.values(row).join(' '))
  const bad = found.filter((line) => line !== good)
  return { name, ok: bad.length === 0, detail: bad.length === 0 ? `PRAGMA ${pragma}: nothing wrong` : bad.slice(0, 5).join('; ') }
}

async function checkRollups(db: Sqlite, zone: Zone): Promise<Check[]> {
  await createTemporaryRollups(db)
  await fillRollups(db, zone, 'temp')
  const compared = [...(await compareRollups(db)), ...(await compareDays(db, zone)), ...(await compareKept(db, zone))]
  return compared.map(([table, { rows, differing }]) => ({
    name: table,
    ok: differing === 0,
    detail:
      differing === 0
        ? `${rows} rows equal what the calls give`
        : `${differing} rows differ from what the calls give; run: spanledger verify --repair`,
  }))
}

async function checkSessions(db: Sqlite): Promise<Check> {
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

async function checkSaved(db: Sqlite): Promise<Check> {
  const faults = await countSavedFaults(db)
  return {
    name: 'cache hits',
    ok: faults === 0,
    detail: faults === 0 ? 'each has what it saved, and no other call does' : `${faults} cache hits lack what they saved, or have it twice`,
  }
}

/** Three ways to the total: the calls, the users' months, the models' days. */
async function checkTotals(db: Sqlite): Promise<Check> {
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
async function checkEvents(db: Sqlite): Promise<Check> {
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

async function checkAliases(db: Sqlite): Promise<Check> {
  const faults = await countAliasFaults(db)
  return {
    name: 'aliases',
    ok: faults === 0,
    detail:
      faults === 0 ? 'nothing stands under a user that is an alias of another' : `${faults} rows stand under the wrong user of an alias`,
  }
}

async function checkTraits(db: Sqlite): Promise<Check> {
  const faults = await countInheritedFaults(db)
  return {
    name: 'traits',
    ok: faults === 0,
    detail: faults === 0 ? 'users have the traits of their aliases, and no others' : `${faults} traits of aliases are missing, or nobody's`,
  }
}
