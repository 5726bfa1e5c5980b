import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openAnalytics, type Row } from '@spanledger/analytics'
import { openStore, type Store } from '@spanledger/store'

import { importFile, type Source } from '../src/import/import-file.ts'
import { openFile, type ImportFile } from '../src/import/open-file.ts'
import { localTimes } from '../src/import/read-time.ts'
import { heliconeSource } from '../src/import/sources.ts'
import type { Tally } from '../src/import/tally.ts'

export const folder = mkdtempSync(join(tmpdir(), 'spanledger-import-'))
let made = 0

/** A file with a content, under a name of its own. */
export function fileOf(content: string | Buffer, ending = '.jsonl'): string {
  const path = join(folder, `${made++}${ending}`)
  writeFileSync(path, content)
  return path
}

export function newLedger(): string {
  return join(folder, `${made++}.db`)
}

const utc = localTimes('UTC')

export type OpenSource = (file: ImportFile) => Promise<Source>

export const helicone: OpenSource = (file) => heliconeSource(file, { zone: utc, zoneName: 'UTC' })

/** Imports a file into an open ledger; with `stopAfter` it is interrupted when so many calls were read. */
export async function importInto(
  store: Store,
  path: string,
  { open = helicone, stopAfter, restart = false, batch }: { open?: OpenSource; stopAfter?: number; restart?: boolean; batch?: number } = {},
): Promise<Tally> {
  const interruption = new AbortController()
  let seen = 0
  const { tally } = await importFile(await open(await openFile(path)), {
    store,
    restart,
    batch,
    signal: interruption.signal,
    progress: () => undefined,
    resumes: () => undefined,
    reject: () => undefined,
    see: (calls) => {
      seen += calls.length
      if (stopAfter !== undefined && seen >= stopAfter) interruption.abort()
    },
  })
  return tally
}

/** All calls that count, and what the users report says of them. */
export async function contentsOf(store: Store): Promise<{ calls: Row[]; users: readonly Row[] }> {
  const analytics = openAnalytics(store, { timeZone: undefined, now: () => Date.UTC(2026, 11, 31) })
  const calls: Row[] = []
  for await (const rows of analytics.calls({})) calls.push(...rows)
  const { rows } = await analytics.report('users', {})
  const inOrder = (call: Row): string => `${String(call['start'])} ${String(call['trace_id'])} ${String(call['span_id'])}`
  return { calls: calls.sort((a, b) => (inOrder(a) < inOrder(b) ? -1 : 1)), users: rows }
}

/** The ledger that comes of importing files, each in its turn. */
export async function imported(
  paths: readonly string[],
  open: OpenSource = helicone,
): Promise<{ calls: Row[]; users: readonly Row[]; tallies: Tally[] }> {
  const store = await openStore({ path: newLedger() })
  const tallies: Tally[] = []
  for (const path of paths) tallies.push(await importInto(store, path, { open }))
  const contents = await contentsOf(store)
  await store.close()
  return { ...contents, tallies }
}

/** A request as Helicone's export has it. */
export function heliconeRequest(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    request_id: '0b6d0f9e-0001-4a4e-9a0a-000000000001',
    request_created_at: '2026-01-05T10:00:00.250Z',
    response_created_at: '2026-01-05T10:00:01.150Z',
    response_status: 200,
    request_user_id: 'ada',
    request_properties: { 'user-type': 'pro' },
    request_model: 'gpt-4o',
    response_model: 'gpt-4o-2024-08-06',
    request_path: 'https://api.openai.com/v1/chat/completions',
    provider: 'OPENAI',
    delay_ms: 900,
    time_to_first_token: 200,
    prompt_tokens: 100,
    completion_tokens: 20,
    total_tokens: 120,
    costUSD: 0.00045,
    ...more,
  }
}

export function lines(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}
