import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { beforeAll, describe, expect, it } from 'vitest'

import { run, temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
const ledger = join(folder, 'ledger.db')

/** The reader of these tests gives decimals as doubles; in nano-USD they are whole again. */
async function readParquet(path: string): Promise<Record<string, unknown>[]> {
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) })
  return rows.map((row) => Object.assign(row, { cost_usd: typeof row['cost_usd'] === 'number' ? Math.round(row['cost_usd'] * 1e9) : null }))
}

/** A row as NDJSON has it, in the types that Parquet has. */
function typed(line: string): Record<string, unknown> {
  return JSON.parse(line, (key, value: unknown) => {
    if (typeof value === 'string' && key === 'cost_usd') return Number(value.replace('.', ''))
    if (typeof value === 'string' && key === 'start') return new Date(value)
    return typeof value === 'number' && (key.endsWith('_tokens') || key === 'requests') ? BigInt(value) : value
  }) as Record<string, unknown>
}

describe('export as parquet', () => {
  beforeAll(async () => {
    const calls = Array.from({ length: 6000 }, (_, n) => ({
      at: new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString(),
      user: n % 7 === 0 ? '=HYPERLINK("x")' : `user-${n % 50}`,
      properties: { Plan: n % 2 === 0 ? 'pro' : 'free' },
      tokens: n + 1,
      ...(n % 100 === 99 ? { status: 'error' as const } : {}),
    }))
    await writeLedger(ledger, calls)
  })

  it('has every call of the other formats, with typed columns, over several row groups', async () => {
    const path = join(folder, 'calls.parquet')
    const { code, err } = await run(['export', 'calls', '--store', ledger, '--format', 'parquet', '--out', path])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const lines = (await run(['export', 'calls', '--store', ledger])).out.trim().split('\n')
    const rows = await readParquet(path)
    expect(rows).toHaveLength(6000)
    expect(rows).toEqual(lines.map(typed))
    const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path))
    expect(metadata.row_groups.length).toBeGreaterThan(1)
    const cost = metadata.schema.find(({ name }) => name === 'cost_usd')
    expect(cost).toMatchObject({ type: 'INT64', converted_type: 'DECIMAL', scale: 9, precision: 18 })
  })

  it('has every user with all columns', async () => {
    const path = join(folder, 'users.parquet')
    expect(
      (await run(['export', 'users', '--store', ledger, '--last', '400d', '--as-of', '2026-02-01', '--format', 'parquet', '--out', path]))
        .code,
    ).toBe(0)
    const lines = (await run(['export', 'users', '--store', ledger, '--last', '400d', '--as-of', '2026-02-01'])).out.trim().split('\n')
    const rows = await readParquet(path)
    expect(rows.map(({ user, requests, cost_usd }) => ({ user, requests, cost_usd }))).toEqual(
      lines.map(typed).map(({ user, requests, cost_usd }) => ({ user, requests, cost_usd })),
    )
  })

  it('is a file that can be read where there is nothing to write', async () => {
    const path = join(folder, 'none.parquet')
    expect((await run(['export', 'calls', '--store', ledger, '--until', '2020-01-01', '--format', 'parquet', '--out', path])).code).toBe(0)
    expect(await readParquet(path)).toEqual([])
    expect(statSync(path).size).toBeGreaterThan(100)
  })

  it('is refused by commands that write text', async () => {
    const path = join(folder, 'report.parquet')
    const { code, err } = await run(['report', 'users', '--store', ledger, '--format', 'parquet', '--out', path])
    expect(code).toBe(2)
    expect(err).toContain('spanledger export calls --format parquet --out FILE')
    expect(existsSync(path)).toBe(false)
  })
})
