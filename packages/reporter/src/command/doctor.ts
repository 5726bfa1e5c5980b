import type { Analytics, LedgerFacts } from '@spanledger/analytics'
import { APP_MARK, drainSpool } from '@spanledger/exporter'
import { openStore, type QuickCheck } from '@spanledger/store'
import type { Command } from 'commander'

import { cleanText } from '../format/clean-text.ts'
import { formatSheet } from '../format/write-answer.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import {
  appFindings,
  damageFinding,
  fileFinding,
  LOOK_FOR_DAMAGE_MS,
  ledgerFindings,
  samplerFinding,
  sdkFindings,
  spoolFinding,
  type Finding,
} from './findings.ts'
import { checkStorePath, optionsOf, withLedger } from './globals.ts'
import { openProgress } from './progress.ts'
import { spoolFiles, spoolFolder, spoolOption } from './spool-folder.ts'

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('say what keeps calls, users or prices out of the ledger')
    .option('--drain', 'first write the calls that wait in the spool')
    .addOption(spoolOption())
    .option('--strict', 'exit with 1 where anything is a warning or a problem')
    .addHelpText(
      'after',
      `
Looks at the file and for damage in it, its spool and counters, at calls without user, tokens or price, at the environment's sampler, and at
the LLM SDKs installed in this folder. What apps with LedgerSpanProcessor noted of themselves comes with it: an SDK loaded
before the instrumentation, a version out of range, calls that a sampler left out. Inside an app checkSetup(client) tells
more: whether that very client is patched.

Examples:
  spanledger doctor --store spanledger.db
  spanledger doctor --drain --spool /var/spool/spanledger
  spanledger doctor --strict --format json`,
    )
    .action(async () => {
      const options = optionsOf<{ drain?: boolean; spool?: string; strict?: boolean }>(command)
      const spool = spoolFolder(options)
      if (options.drain === true) await drain(options.store, spool)
      await withLedger(options, async ({ io, store, analytics }) => {
        const progress = openProgress('Looking for damage', { quiet: options.quiet === true })
        const damage = await store.quickCheck({ withinMs: LOOK_FOR_DAMAGE_MS, onProgress: progress.update }).finally(progress.end)
        const facts = await readFacts(analytics, damage)
        const findings = [
          fileFinding(options.store),
          damageFinding(damage),
          spoolFinding(spool, spoolFiles(spool)),
          ...(facts === undefined ? [] : ledgerFindings(facts, options.tz ?? store.timeZone)),
          ...appFindings(await store.marks(APP_MARK), Date.now()),
          samplerFinding(process.env),
          ...sdkFindings(process.cwd()),
        ]
        const healthy = findings.every(({ state }) => state === 'ok')
        if (options.format === 'json') await io.out(`${JSON.stringify({ schema: 'doctor/v1', ok: healthy, findings })}\n`)
        else {
          const rows = findings.map(({ state, check, detail }) => ({ state, check, detail }))
          if (options.format === 'table') await io.out(findings.map(line).join(''))
          else
            await io.out(
              formatSheet({ title: `Doctor on ${options.store}`, columns: findingColumns, rows, notes: [] }, options.format, {
                decorated: false,
                header: options.header,
              }),
            )
        }
        if (options.strict === true && !healthy) throw new CommandFailure(exitCodes.failed, 'Something needs a look (--strict).')
      })
    })
}

/** Undefined where damage keeps them from being read: then that is what there is to say. */
async function readFacts(analytics: Analytics, { damage }: QuickCheck): Promise<LedgerFacts | undefined> {
  try {
    return await analytics.facts()
  } catch (error) {
    if (damage.length === 0) throw error
    return undefined
  }
}

const findingColumns = [
  { key: 'state', type: 'string', label: 'State' },
  { key: 'check', type: 'string', label: 'Check' },
  { key: 'detail', type: 'string', label: 'Detail' },
] as const

/** Sentences are not cut, so they stand in lines, not in a table. */
function line({ state, check, detail }: Finding): string {
  return `${state.padEnd(8)} ${check}: ${cleanText(detail)}\n`
}

async function drain(path: string, spoolPath: string): Promise<void> {
  checkStorePath(path)
  const store = await openStore({ path })
  try {
    await drainSpool(store, spoolPath)
  } finally {
    await store.close()
  }
}
