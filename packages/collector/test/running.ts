import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openCollector, type Collector, type CollectorOptions } from '@spanledger/collector'
import { openStore } from '@spanledger/store'
import { onTestFinished } from 'vitest'

/** A collector on free ports of this machine, closed after the test, and the path of its ledger. */
export async function startCollector(
  options: Partial<CollectorOptions> & { path?: string } = {},
): Promise<Collector & { readonly path: string }> {
  const path = options.path ?? join(tempFolder(), 'ledger.db')
  const collector = await openCollector({ httpPort: 0, grpcPort: 'off', store: { path }, ...options })
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= collector.close())
  onTestFinished(close)
  return { ...collector, close, path }
}

/** A folder of its own for a test, gone after it. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** One line of a ledger, all that the spans of a test decide. */
export interface LedgerLine {
  readonly trace: string
  readonly span: string
  readonly startMs: number
  readonly latencyMs: number
  readonly counted: number
  readonly user: string
  readonly session: string
  readonly model: string
  readonly provider: string
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: number | null
  readonly status: string
  readonly properties: string
}

/** All lines of a ledger, in the order of their keys. */
export async function readLines(path: string): Promise<LedgerLine[]> {
  return reading(path, (store) =>
    store.all<LedgerLine>(
      `SELECT lower(hex(c.trace_id)) AS trace, lower(hex(c.span_id)) AS span, c.start_ms AS startMs, c.latency_ms AS latencyMs, c.counted,
         u.name AS user, s.name AS session, m.model, m.provider, c.input_tokens AS inputTokens, c.output_tokens AS outputTokens,
         c.cost_nano_usd AS costNanoUsd, k.status,
         coalesce((SELECT group_concat(p.key || '=' || v.value, '; ' ORDER BY p.key) FROM segment_values AS sv JOIN property_keys AS p USING (key_id)
           JOIN property_values AS v USING (value_id) WHERE sv.segment_id = c.segment_id), '') AS properties
       FROM llm_calls AS c JOIN users AS u ON u.user_id = c.user_id JOIN sessions AS s ON s.session_id = c.session_id
       JOIN models AS m USING (model_id) JOIN kinds AS k USING (kind_id) ORDER BY c.start_ms, span, trace`,
    ),
  )
}

/** All events of a ledger, in the order of their keys. */
export async function readEvents(path: string): Promise<unknown[]> {
  return reading(path, (store) =>
    store.all(
      `SELECT lower(hex(e.trace_id)) AS trace, lower(hex(e.span_id)) AS span, e.start_ms AS startMs, e.start_fraction AS startFraction, j.kind,
         j.name, j.source, u.name AS user, s.name AS session, e.target_kind AS targetKind, e.target, e.outcome, e.value
       FROM events AS e JOIN event_subjects AS j USING (subject_id) JOIN users AS u USING (user_id) JOIN sessions AS s USING (session_id)
       ORDER BY e.start_ms, span, trace`,
    ),
  )
}

export async function readCounters(path: string): Promise<Record<string, number>> {
  return reading(path, async (store) => Object.fromEntries(await store.counters()))
}

/** What `verify` finds wrong with a ledger. */
export async function findFaults(path: string): Promise<readonly unknown[]> {
  return reading(path, async (store) => (await store.verify()).checks.filter((check) => !check.ok))
}

/** Runs SQL on a ledger that others have open. */
export async function changeLedger(path: string, sql: string): Promise<void> {
  const database = openRaw(path)
  await new Promise<void>((resolve, reject) => database.exec(sql, (error) => (error === null ? resolve() : reject(error))))
  await new Promise<void>((done) => database.close(() => done()))
}

/** The driver's own connection. */
export function openRaw(path: string): RawDatabase {
  const { Database } = createRequire(import.meta.url)('sqlite3') as { Database: new (path: string) => RawDatabase }
  return new Database(path)
}

interface RawDatabase {
  exec(sql: string, done: (error: Error | null) => void): void
  close(done: () => void): void
}

async function reading<Result>(path: string, read: (store: Awaited<ReturnType<typeof openStore>>) => Promise<Result>): Promise<Result> {
  const store = await openStore({ path, readOnly: true })
  try {
    return await read(store)
  } finally {
    await store.close()
  }
}
