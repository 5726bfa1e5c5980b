import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { DuckDBConnection } from '@duckdb/node-api'
import { openAnalytics, type Analytics, type Row } from '@spanledger/analytics'

import { createTable, questions, type Question } from './duckdb-questions.ts'
import { median, round, timed, type Finding } from './measure.ts'
import { LEDGER_NOW_MS, onRandomLedger, type RandomLedgerOptions } from './random-ledger.ts'

export interface DuckDbBenchOptions extends RandomLedgerOptions {
  readonly rounds: number
}

interface Taken {
  readonly ledger: { readonly wallMs: number; readonly cpuMs: number }
  readonly duckDb: { readonly wallMs: number; readonly cpuMs: number }
}

/** The reports beside the same questions in SQL to DuckDB, over the same calls, in turns; what both answer is compared. */
export async function benchDuckDb({ calls, ledgers, rounds }: DuckDbBenchOptions): Promise<Finding> {
  // Only this benchmark needs it, and not every system has a binary of it.
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const instance = await DuckDBInstance.create(join(folder, 'calls.duckdb'))
  const connection = await instance.connect()
  try {
    return await onRandomLedger({ calls, ledgers }, async ({ store }) => {
      const analytics = openAnalytics(store, { now: () => LEDGER_NOW_MS })
      await copyCalls(analytics, connection)
      const taken = new Map(questions.map(({ report }) => [report, [] as Taken[]]))
      let differences = 0
      let rowsCompared = 0
      // The first round warms both caches.
      for (let n = 0; n <= rounds; n++) {
        for (const question of questions) {
          const { took, compared, different } = await askBoth(question, analytics, connection)
          if (n > 0) taken.get(question.report)?.push(took)
          differences += different
          rowsCompared += compared
        }
      }
      return findingOf({ calls, taken, differences, rowsCompared })
    })
  } finally {
    connection.closeSync()
    instance.closeSync()
    rmSync(folder, { recursive: true })
  }
}

async function askBoth(
  { report, params, sql, ours, theirs }: Question,
  analytics: Analytics,
  connection: DuckDBConnection,
): Promise<{ took: Taken; compared: number; different: number }> {
  const ledger = await timed(() => analytics.report(report, params))
  const duckDb = await timed(async () => (await connection.runAndReadAll(sql)).getRows())
  const said = ours?.(ledger.result) ?? []
  const known = new Set(theirs?.(duckDb.result))
  const different = said.filter((line) => !known.has(line))
  if (said.length === 0) throw new Error(`nothing of ${report} is compared`)
  if (different.length > 0)
    process.stderr.write(`${report} differs: ${different.slice(0, 3).join(' | ')} is not among ${[...known].slice(0, 3).join(' | ')}\n`)
  return { took: { ledger, duckDb }, compared: said.length, different: different.length }
}

function findingOf({
  calls,
  taken,
  differences,
  rowsCompared,
}: {
  readonly calls: number
  readonly taken: ReadonlyMap<string, readonly Taken[]>
  readonly differences: number
  readonly rowsCompared: number
}): Finding {
  const figures = Array.from(taken, ([report, all]) => {
    const of = (value: (one: Taken) => number): number => round(median(all.map(value)))
    return {
      [`${report}Ms`]: of(({ ledger }) => ledger.wallMs),
      [`${report}DuckDbMs`]: of(({ duckDb }) => duckDb.wallMs),
      [`${report}Ratio`]: of(({ ledger, duckDb }) => ledger.wallMs / duckDb.wallMs),
      [`${report}CpuRatio`]: of(({ ledger, duckDb }) => ledger.cpuMs / duckDb.cpuMs),
    }
  })
  return {
    bench: 'duckdb',
    figures: { calls, rowsCompared, ...Object.assign({}, ...figures) },
    targets: [{ what: 'compared rows that differ', wanted: '0', measured: differences, met: differences === 0 }],
  }
}

/** The calls with the costs that the ledger gave them. */
async function copyCalls(analytics: Analytics, connection: DuckDBConnection): Promise<void> {
  await connection.run(createTable)
  const appender = await connection.createAppender('calls')
  const text = (value: unknown): void => (typeof value === 'string' ? appender.appendVarchar(value) : appender.appendNull())
  const whole = (value: unknown): void => (typeof value === 'number' ? appender.appendBigInt(BigInt(value)) : appender.appendNull())
  for await (const rows of analytics.calls()) for (const row of rows) appendCall(row, { text, whole, end: () => appender.endRow() })
  appender.closeSync()
}

function appendCall(
  row: Row,
  { text, whole, end }: { readonly text: (value: unknown) => void; readonly whole: (value: unknown) => void; readonly end: () => void },
): void {
  const properties = JSON.parse(String(row['properties'])) as Record<string, string>
  const cost = row['cost_usd']
  whole(Date.parse(String(row['start'])))
  for (const key of ['latency_ms', 'ttft_ms']) whole(row[key])
  for (const key of ['user', 'session', 'requested_model', 'provider', 'status', 'error']) text(row[key])
  whole(typeof cost === 'string' ? Number(cost.replace('.', '')) : null)
  for (const key of ['input', 'cache_read', 'cache_write', 'output', 'reasoning']) whole(row[`${key}_tokens`])
  for (const key of ['plan', 'feature', 'environment', 'app_version', 'tenant']) text(properties[key])
  end()
}
