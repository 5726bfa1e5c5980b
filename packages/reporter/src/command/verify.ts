import { existsSync } from 'node:fs'

import { openStore, type Verification } from '@spanledger/store'
import type { Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { checkStorePath, optionsOf, withIo } from './globals.ts'
import { openProgress } from './progress.ts'

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .description('check the ledger against itself: file, references, costs, rollups against calls, totals')
    .option('--repair', 'first compute the rollups anew from the calls, where nothing is wrong with these')
    .addHelpText('after', '\nExit code 0 when every check holds, 1 otherwise.\n\nExample:\n  spanledger verify --store spanledger.db')
    .action(async () => {
      const options = optionsOf<{ repair?: boolean }>(command)
      checkStorePath(options.store)
      // To repair opens the file for writing, which would make one, and find it in order.
      if (options.repair === true && !existsSync(options.store))
        throw new CommandFailure(
          exitCodes.failed,
          `There is no ledger at ${JSON.stringify(options.store)}, so there is nothing to repair. Name the file with --store.`,
        )
      await withIo(options, async (io) => {
        const store = await openStore({ path: options.store, readOnly: options.repair !== true })
        const progress = openProgress('Computing costs anew', { quiet: options.quiet === true })
        const verify = async (only?: 'calls'): Promise<Verification> => {
          const found = await store.verify({ only, onProgress: progress.update })
          progress.end()
          return found
        }
        const show = async ({ ok, checks }: Verification): Promise<void> => {
          const rows = checks.map((check) => ({ check: check.name, result: check.ok ? 'ok' : 'WRONG', detail: check.detail }))
          const asJson = checks.map(({ name, ok: holds, detail }) => ({ name, ok: holds, detail }))
          if (options.format === 'json') await io.out(`${JSON.stringify({ schema: 'verify/v1', ok, checks: asJson })}\n`)
          else
            await io.out(
              formatSheet({ title: `Checks of ${options.store}`, columns: checkColumns, rows, notes: [] }, options.format, {
                decorated: io.decorated,
                maxText: Number.POSITIVE_INFINITY,
                header: options.header,
              }),
            )
        }
        try {
          if (options.repair === true) {
            // Rollups computed from calls that were changed would agree with them, and the last trace of what they were would be gone.
            const ofCalls = await verify('calls')
            if (!ofCalls.ok) {
              await show(ofCalls)
              throw new CommandFailure(exitCodes.failed, `Nothing was repaired. ${whatToDo(options.store, ofCalls)}`)
            }
            await store.rebuildRollups()
            await store.closeDays()
          }
          const found = await verify()
          await show(found)
          if (!found.ok) throw new CommandFailure(exitCodes.failed, whatToDo(options.store, found))
        } finally {
          progress.end()
          await store.close()
        }
      })
    })
}

/** What mends a ledger depends on what is wrong with it: rollups come of the calls, and of nothing come the calls. */
function whatToDo(path: string, { checks }: Verification): string {
  const wrong = checks.filter(({ ok }) => !ok)
  const isWrong = (...names: string[]): boolean => wrong.some(({ name }) => names.includes(name))
  const ledger = JSON.stringify(path)
  if (wrong.every(({ isDerived }) => isDerived))
    return `Ledger ${ledger} does not agree with its own calls. Compute what is derived from them anew: spanledger verify --repair`
  const restore = 'Restore a backup (made by: spanledger backup FILE)'
  if (isWrong('integrity', 'references')) return `Ledger ${ledger} is damaged, and --repair cannot bring back what is lost. ${restore}.`
  if (isWrong('costs'))
    return `Calls in ledger ${ledger} were changed after they were written; --repair would only make the totals agree with them. ${restore}. Without one, spanledger reprice computes costs from tokens at the prices of today's list.`
  return `Ledger ${ledger} does not agree with itself. ${restore}.`
}

const checkColumns = [
  { key: 'check', type: 'string', label: 'Check' },
  { key: 'result', type: 'string', label: 'Result' },
  { key: 'detail', type: 'string', label: 'Detail' },
] as const
