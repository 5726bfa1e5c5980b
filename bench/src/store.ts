import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openStore, type WrittenCall } from '@spanledger/store'

import { median, round, timed, type Finding } from './measure.ts'
import { randomCalls } from './random-calls.ts'

export interface StoreBenchOptions {
  readonly calls: number
  readonly batch: number
}

/**
 * Writing calls, against a bare insert: in alternating batches, the same calls go to a ledger and, as 17 columns of text and
 * numbers, by one `INSERT … SELECT … FROM jsonb_each(?)` into a table without key, index, dedup or rollup.
 */
export async function benchStore({ calls, batch }: StoreBenchOptions): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const path = join(folder, 'ledger.db')
  const store = await openStore({ path, cacheMiB: 64 })
  const bare = await openBare(join(folder, 'bare.db'))
  const generator = randomCalls({ calls })
  const ledger: Timing[] = []
  const plain: Timing[] = []
  for (let written = 0; written < calls; written += batch) {
    const chunk = take(generator, Math.min(batch, calls - written))
    ledger.push(await timed(() => store.write({ calls: chunk })))
    plain.push(await timed(() => bare.insert(chunk)))
  }
  const closing = await timed(() => store.closeDays())
  await store.close()
  await bare.close()
  const bytesPerCall = statSync(path).size / calls
  rmSync(folder, { recursive: true })
  const callsPerSecond = (batch / median(ledger.map(({ wallMs }) => wallMs))) * 1000
  const barePerSecond = (batch / median(plain.map(({ wallMs }) => wallMs))) * 1000
  const cpuUs = (timings: readonly Timing[]): number => round((median(timings.map(({ cpuMs }) => cpuMs)) / batch) * 1000)
  const share = callsPerSecond / barePerSecond
  return {
    bench: 'store',
    figures: {
      calls,
      batch,
      callsPerSecond: round(callsPerSecond),
      barePerSecond: round(barePerSecond),
      shareOfBare: round(share),
      cpuUsPerCall: cpuUs(ledger),
      bareCpuUsPerCall: cpuUs(plain),
      closingCpuUsPerCall: round((closing.cpuMs / calls) * 1000),
      bytesPerCall: round(bytesPerCall),
    },
    targets: [
      {
        what: 'calls/s committed with dedup and rollups',
        wanted: '>= 30000',
        measured: round(callsPerSecond),
        met: callsPerSecond >= 30_000,
      },
      { what: 'share of a bare jsonb_each insert', wanted: '>= 0.25', measured: round(share), met: share >= 0.25 },
    ],
  }
}

interface Timing {
  readonly wallMs: number
  readonly cpuMs: number
}

/** The next `n` calls; a `for … of` with a break would end the generator. */
function take(generator: Generator<WrittenCall>, n: number): WrittenCall[] {
  const taken: WrittenCall[] = []
  while (taken.length < n) {
    const next = generator.next()
    if (next.done === true) break
    taken.push(next.value)
  }
  return taken
}

interface BareTable {
  insert(calls: readonly WrittenCall[]): Promise<void>
  close(): Promise<void>
}

async function openBare(path: string): Promise<BareTable> {
  const { Database } = createRequire(import.meta.url)('sqlite3') as {
    Database: new (path: string) => {
      exec(sql: string, done: Done): void
      run(sql: string, values: unknown[], done: Done): void
      close(done: Done): void
    }
  }
  const database = new Database(path)
  const exec = (sql: string): Promise<void> => promised((done) => database.exec(sql, done))
  await exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 8000;
    CREATE TABLE calls (start_ms INTEGER, trace_id TEXT, span_id TEXT, user TEXT, session TEXT, provider TEXT, model TEXT, latency_ms INTEGER,
      ttft_ms INTEGER, input_tokens INTEGER, cache_read_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER, environment TEXT, plan TEXT,
      feature TEXT, tenant TEXT) STRICT`)
  const sql = `INSERT INTO calls SELECT ${Array.from({ length: 17 }, (_, n) => `value->>${n}`).join(', ')} FROM jsonb_each(?)`
  return {
    insert: async (calls) => {
      const rows = JSON.stringify(calls.map(bareRow))
      await exec('BEGIN IMMEDIATE')
      await promised((done) => database.run(sql, [rows], done))
      await exec('COMMIT')
    },
    close: () => promised((done) => database.close(done)),
  }
}

type Done = (error: Error | null) => void

function promised(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)))
  })
}

function bareRow(call: WrittenCall): unknown[] {
  const property = (key: string): string | null => call.properties.get(key)?.value ?? null
  const { startMs, traceId, spanId, user, session, provider, model, durationMs, timeToFirstTokenMs = null, usage } = call
  const tokens = [usage?.inputTokens ?? 0, usage?.cacheReadTokens ?? 0, usage?.outputTokens ?? 0, usage?.reasoningTokens ?? 0]
  const identity = [startMs, traceId, spanId, user ?? null, session ?? null, provider, model, durationMs, timeToFirstTokenMs]
  return [...identity, ...tokens, property('environment'), property('plan'), property('feature'), property('tenant')]
}
