import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openStore, type Store } from '@spanledger/store'

import { round, timed, type Finding } from './measure.ts'
import { onRandomLedger, type RandomLedgerOptions } from './random-ledger.ts'

/** What it takes to erase a user of few calls and the one of most, beside reading every call once, which both do. */
export async function benchErase({ calls, ledgers }: RandomLedgerOptions): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-bench-'))
  const path = join(folder, 'erase.db')
  try {
    await onRandomLedger({ calls, ledgers }, ({ store }) => Promise.resolve(copyFileSync(store.path, path)))
    const store = await openStore({ path })
    try {
      return await eraseFrom(store)
    } finally {
      await store.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function eraseFrom(store: Store): Promise<Finding> {
  const users = await store.all<{ name: string; requests: number }>(
    `SELECT u.name, sum(r.requests) AS requests FROM rollup_users AS r JOIN users AS u ON u.user_id = r.user_id
     WHERE r.user_id <> 0 AND r.bucket % 100 = 0 GROUP BY u.user_id ORDER BY requests DESC`,
  )
  const [most, few] = [users[0], users[Math.floor(users.length / 100)]]
  if (most === undefined || few === undefined) throw new Error('the ledger has no users')
  const scan = await timed(() => store.all('SELECT count(*) FROM llm_calls WHERE latency_ms < 0'))
  const ofFew = await timed(() => store.erase(few.name, { vacuum: false }))
  const ofMost = await timed(() => store.erase(most.name, { vacuum: false }))
  const anew = await timed(() => store.erase(few.name))
  if (ofFew.result.calls === 0 || ofMost.result.calls === 0 || !anew.result.vacuumed) throw new Error('a user was not erased')
  return {
    bench: 'erase',
    figures: {
      callsOfFew: ofFew.result.calls,
      callsOfMost: ofMost.result.calls,
      scanMs: round(scan.wallMs),
      eraseFewMs: round(ofFew.wallMs),
      eraseMostMs: round(ofMost.wallMs),
      findNobodyAndVacuumMs: round(anew.wallMs),
      eraseFewOfScan: round(ofFew.wallMs / scan.wallMs),
    },
    targets: [],
  }
}
