import type { EraseOutcome } from '@spanledger/store'
import type { Command } from 'commander'

import { optionsOf, withWritableLedger, type Globals } from './globals.ts'

interface EraseFlags {
  readonly dryRun?: boolean
  readonly vacuum: boolean
}

export function addErase(program: Command): void {
  const command = program
    .command('erase')
    .description('take a user out of the ledger, aliases too; what its calls cost stays, as nobody’s')
    .argument('<user>', 'the user id, or an alias of it')
    .option('--dry-run', 'show what there is, and change nothing')
    .option('--no-vacuum', 'do not write the file anew: faster, but what was deleted may still stand in its bytes')
    .addHelpText(
      'after',
      `
Calls and payments stay without user, session and properties, so that every sum is what it was. All else goes: events, traits, aliases,
sessions, property values that nobody else has. What was sent before and comes later is nobody's. It cannot be taken back.
Backups and exports hold what they held: erase there too. To keep nothing of what comes: spanledger privacy opt-out add USER

Examples:
  spanledger erase user-123 --dry-run
  spanledger erase user-123`,
    )
    .action(async (user: string) => {
      const options = optionsOf<EraseFlags>(command)
      await withWritableLedger(options, async ({ io, store }) => {
        if (options.dryRun !== true && options.vacuum) io.say('Erasing, and writing the file anew …')
        const outcome = await store.erase(user, { dryRun: options.dryRun === true, vacuum: options.vacuum })
        if (options.format === 'json')
          await io.out(`${JSON.stringify({ schema: 'erase/v1', params: { dry_run: options.dryRun === true }, ...jsonOf(outcome) })}\n`)
        else for (const line of said(outcome, options)) io.say(line)
      })
    })
}

function jsonOf({ names, calls, events, payments, traits, vacuumed, reason }: EraseOutcome): Record<string, unknown> {
  return { users: names, calls, events, payments, traits, vacuumed, reason: reason ?? null }
}

function said(outcome: EraseOutcome, { dryRun, store }: Globals & EraseFlags): string[] {
  const { names, calls, events, payments, traits, vacuumed, reason } = outcome
  const who = names.map((name) => JSON.stringify(name)).join(', ')
  const what = `${counted(calls, 'call')}, ${counted(payments, 'payment')}, ${counted(events, 'event')}, ${counted(traits, 'trait')}`
  if (dryRun === true) return [`${who}: ${what}. Nothing was changed.`]
  if (calls + events + payments + traits === 0 && vacuumed) return [`The ledger holds nothing of ${who}.`]
  return [
    `Erased ${who}: ${counted(calls, 'call')} and ${counted(payments, 'payment')} are nobody's now, ${counted(events, 'event')} and ${counted(traits, 'trait')} are gone.`,
    vacuumed
      ? `Nothing of it is left in ${JSON.stringify(store)}. Copies hold what they held.`
      : `The file was not written anew (${reason}), so what was deleted may still stand in its bytes. Run the command again to finish.`,
  ]
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
}
