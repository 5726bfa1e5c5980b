import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openStore } from '@spanledger/store'
import { onTestFinished } from 'vitest'

/** One line of a ledger, as far as these tests look. */
export interface LedgerLine {
  readonly span: string
  readonly user: string
  readonly session: string
  readonly counted: boolean
  readonly inputTokens: number
  readonly properties: Record<string, string>
}

/** A folder of its own for a test, gone after it. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function tempLedger(): string {
  return join(tempFolder(), 'ledger.db')
}

/** All lines of a ledger in the order of their span ids. */
export async function readLines(path: string): Promise<LedgerLine[]> {
  const store = await openStore({ path, readOnly: true })
  try {
    const rows = await store.all<{ span: string; user: string; session: string; counted: number; inputTokens: number; properties: string }>(
      `SELECT lower(hex(c.span_id)) AS span, u.name AS user, s.name AS session, c.counted, c.input_tokens AS inputTokens,
         (SELECT json_group_object(k.key, v.value) FROM segment_values AS sv JOIN property_keys AS k USING (key_id)
          JOIN property_values AS v USING (value_id) WHERE sv.segment_id = c.segment_id) AS properties
       FROM llm_calls AS c JOIN users AS u ON u.user_id = c.user_id JOIN sessions AS s ON s.session_id = c.session_id
       ORDER BY span, c.start_ms`,
    )
    return rows.map(({ span, user, session, counted, inputTokens, properties }) => ({
      span,
      user,
      session,
      counted: counted === 1,
      inputTokens,
      properties: JSON.parse(properties) as Record<string, string>,
    }))
  } finally {
    await store.close()
  }
}

/** All events of a ledger in the order of their span ids, as far as these tests look. */
export async function readEvents(path: string): Promise<{ span: string; user: string; plan: string | null }[]> {
  const store = await openStore({ path, readOnly: true })
  try {
    return await store.all(
      `SELECT lower(hex(e.span_id)) AS span, u.name AS user,
         (SELECT v.value FROM segment_values AS sv JOIN property_keys AS k USING (key_id) JOIN property_values AS v USING (value_id)
          WHERE sv.segment_id = e.segment_id AND k.key = 'plan') AS plan
       FROM events AS e JOIN users AS u ON u.user_id = e.user_id ORDER BY span`,
    )
  } finally {
    await store.close()
  }
}

export async function readCounters(path: string): Promise<Record<string, number>> {
  const store = await openStore({ path, readOnly: true })
  try {
    return Object.fromEntries(await store.counters())
  } finally {
    await store.close()
  }
}

/** What `verify` finds wrong with a ledger. */
export async function findFaults(path: string): Promise<readonly unknown[]> {
  const store = await openStore({ path })
  try {
    return (await store.verify()).checks.filter((check) => !check.ok)
  } finally {
    await store.close()
  }
}
