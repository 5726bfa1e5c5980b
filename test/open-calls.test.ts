import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, it, onTestFinished } from 'vitest'

import { endOpenCalls, tellOpenCalls } from '../packages/conventions/src/index.ts'
import { drainSpool } from '../packages/exporter/src/index.ts'
import { openStore } from '../packages/store/src/index.ts'

const program = fileURLToPath(new URL('programs/open-calls.cjs', import.meta.url))

interface Ended {
  readonly stdout: string
  readonly rows: readonly string[]
  readonly counters: Readonly<Record<string, number>>
  /** The last note of the app. */
  readonly started: number
  readonly ended: number
}

/** Runs the app to its end, and reads what its ledger and its spool have. */
async function endApp(end: string): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'ledger.db')
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [program, JSON.stringify({ store: path, end })], (_error, out) => resolve(out))
  })
  const store = await openStore({ path })
  try {
    await drainSpool(store)
    const rows = await store.all<{ row: string }>(
      `SELECT u.name || ': ' || k.usage_quality || iif(c.counted, '', ', not counted') AS row
       FROM llm_calls AS c JOIN users AS u USING (user_id) JOIN kinds AS k USING (kind_id) ORDER BY 1`,
    )
    const [note] = (await store.marks('app:')).values()
    const { startedCalls, endedCalls } = JSON.parse(note ?? '{}') as { startedCalls: number; endedCalls: number }
    return {
      stdout,
      rows: rows.map(({ row }) => row),
      counters: Object.fromEntries(await store.counters()),
      started: startedCalls,
      ended: endedCalls,
    }
  } finally {
    await store.close()
  }
}

const all = [
  'awaited: reported',
  'not awaited: missing',
  'raw: missing',
  'reading native: partial',
  'reading: estimated',
  'unread: missing',
  'waiting: missing',
]

describe('the calls that are not over when an app ends', () => {
  it.each(['by shutdown', 'by shutdown, with an exporter', 'by SIGTERM', 'by process.exit'])(
    '%s are in the ledger, with what was seen of them, and over in its last note',
    async (end) => {
      const { rows, counters, started, ended } = await endApp(end)
      expect([rows, counters]).toEqual([all, {}])
      expect([started, ended]).toEqual([7, 7])
    },
  )

  it('are there once when it reads on after shutdown, and it reads all of them', async () => {
    const { rows, stdout, counters } = await endApp('by shutdown, and reads on')
    expect([rows, counters]).toEqual([all, {}])
    for (const chunks of JSON.parse(stdout) as number[]) expect(chunks).toBeGreaterThanOrEqual(10)
  })

  it('are whole when it handles the signal and reads them first', async () => {
    const { rows } = await endApp('by SIGTERM, having read its streams')
    expect(rows).toEqual(all.map((row) => (row.startsWith('reading') ? row.replace(/partial|estimated/, 'reported') : row)))
  })
})

it.each(['by shutdown, and calls on', 'by shutdown, a call and process.exit'])(
  'a call after shutdown is counted as lost, and other spans are not: an app that ends %s',
  async (end) => {
    const { rows, counters } = await endApp(end)
    expect([rows, counters]).toEqual([all, { spans_dropped: 1 }])
  },
)

it('another copy of our package ends the calls of this one', async () => {
  const copy = (await import(`${new URL('../packages/conventions/dist/open-calls.js', import.meta.url).href}?copy`)) as {
    endOpenCalls: typeof endOpenCalls
  }
  expect(copy.endOpenCalls).not.toBe(endOpenCalls)
  const span = {}
  const asked: boolean[] = []
  tellOpenCalls((isMeant) => asked.push(isMeant(span)))
  copy.endOpenCalls((one) => one !== span)
  copy.endOpenCalls()
  expect(asked).toEqual([false, true])
})
