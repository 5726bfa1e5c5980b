import { existsSync } from 'node:fs'

import { openStore } from '@spanledger/store'
import type { Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { checkStorePath, optionsOf, withIo } from './globals.ts'

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .description('check the ledger against itself: file, references, rollups against calls, totals')
    .option('--repair', 'first compute the rollups anew from the calls')
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
        try {
          if (options.repair === true) {
            await store.rebuildRollups()
            await store.closeDays()
          }
          const { ok, checks } = await store.verify()
          const rows = checks.map((check) => ({ check: check.name, result: check.ok ? 'ok' : 'WRONG', detail: check.detail }))
          if (options.format === 'json') await io.out(`${JSON.stringify({ schema: 'verify/v1', ok, checks })}\n`)
          else
            await io.out(
              formatSheet({ title: `Checks of ${options.store}`, columns: checkColumns, rows, notes: [] }, options.format, {
                decorated: io.decorated,
                maxText: Number.POSITIVE_INFINITY,
                header: options.header,
              }),
            )
          if (!ok)
            throw new CommandFailure(
              exitCodes.failed,
              `Ledger ${JSON.stringify(options.store)} does not agree with itself. Restore a backup, or run: spanledger verify --repair`,
            )
        } finally {
          await store.close()
        }
      })
    })
}

const checkColumns = [
  { key: 'check', type: 'string', label: 'Check' },
  { key: 'result', type: 'string', label: 'Result' },
  { key: 'detail', type: 'string', label: 'Detail' },
] as const
