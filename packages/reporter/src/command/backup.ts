import { closeSync, existsSync, openSync } from 'node:fs'

import { openStore } from '@spanledger/store'
import type { Command } from 'commander'

import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { optionsOf, withLedger } from './globals.ts'

export function addBackup(program: Command): void {
  const command = program
    .command('backup')
    .description('copy the ledger to a new file, while apps go on writing, and verify the copy')
    .argument('<file>', 'a file that does not exist yet')
    .addHelpText('after', '\nExample:\n  spanledger backup backups/2026-01-31.db')
    .action(async (file: string) => {
      const options = optionsOf(command)
      if (existsSync(file)) throw usageFailure(`${JSON.stringify(file)} exists already. Name a new file.`)
      await withLedger(options, async ({ store, io }) => {
        createForOwner(file)
        await store.all('VACUUM INTO ?', file)
        const copy = await openStore({ path: file, readOnly: true })
        try {
          const { ok, checks } = await copy.verify()
          if (!ok) {
            const wrong = checks.filter((check) => !check.ok).map(({ name }) => name)
            throw new CommandFailure(exitCodes.failed, `The copy ${JSON.stringify(file)} does not agree with itself: ${wrong.join(', ')}.`)
          }
        } finally {
          await copy.close()
        }
        io.say(`Copied ${options.store} to ${file}; every check of the copy holds.`)
      })
    })
}

/** SQLite fills an empty file as it is; one that it makes itself anybody could read. */
function createForOwner(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (cause) {
    throw new CommandFailure(
      exitCodes.failed,
      `The backup ${JSON.stringify(file)} cannot be created (${(cause as Error).message}). Its folder must exist and be writable.`,
      { cause },
    )
  }
}
