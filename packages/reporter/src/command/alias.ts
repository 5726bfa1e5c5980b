import type { Column } from '@spanledger/analytics'
import type { Alias, AliasOutcome } from '@spanledger/store'
import type { Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { usageFailure } from './failure.ts'
import { optionsOf, withLedger, withWritableLedger, type Globals } from './globals.ts'
import type { Io } from './io.ts'

export function addAlias(program: Command): void {
  const command = program
    .command('alias')
    .description('make one user another, in all reports, for what was and what comes; without users: list every alias ever made')
    .argument('[from]', 'the id that is the same person, such as an anonymous one')
    .argument('[to]', 'the user to count it with')
    .option('--undo', 'take an alias back')
    .addHelpText(
      'after',
      `
Calls keep whom they said, so an alias can be taken back at any time.

Examples:
  spanledger alias anon-7f3a user-123
  spanledger alias anon-7f3a user-123 --undo
  spanledger alias`,
    )
    .action(async (from: string | undefined, to: string | undefined) => {
      const options = optionsOf<{ undo?: boolean }>(command)
      if (from === undefined) {
        if (options.undo === true) throw usageFailure('Say which alias to take back: spanledger alias FROM TO --undo')
        return withLedger(options, async ({ io, store }) => list(io, options, await store.aliases()))
      }
      if (to === undefined) throw usageFailure(`Say whom ${JSON.stringify(from)} is the same as: spanledger alias FROM TO`)
      return change(options, { from, to, undo: options.undo === true })
    })
}

async function change(globals: Globals, { from, to, undo }: { from: string; to: string; undo: boolean }): Promise<void> {
  await withWritableLedger(globals, async ({ io, store }) => {
    const outcome = undo ? await store.undoAlias(from, to) : await store.alias(from, to)
    io.say(said(outcome, { from, to, undo }))
  })
}

function said({ changed, calls, events }: AliasOutcome, { from, to, undo }: { from: string; to: string; undo: boolean }): string {
  const [first, second] = [JSON.stringify(from), JSON.stringify(to)]
  if (!changed) return undo ? `${first} is no alias. Nothing to do.` : `${first} is ${second} already. Nothing to do.`
  if (undo) return `${first} is a user of its own again: ${calls} calls and ${events} events.`
  return `${first} is ${second} from now on: ${calls} calls and ${events} events. Taken back with: spanledger alias ${first} ${second} --undo`
}

const columns: readonly Column[] = [
  { key: 'from', type: 'string', label: 'From' },
  { key: 'to', type: 'string', label: 'To' },
  { key: 'made_at', type: 'time', label: 'Made' },
  { key: 'undone_at', type: 'time', label: 'Undone' },
]

async function list(io: Io, { format, header }: Globals, aliases: readonly Alias[]): Promise<void> {
  const rows = aliases.map(({ from, to, madeMs, undoneMs }) => ({
    from,
    to,
    made_at: new Date(madeMs).toISOString(),
    undone_at: undoneMs === undefined ? null : new Date(undoneMs).toISOString(),
  }))
  if (format === 'json') return io.out(`${JSON.stringify({ schema: 'aliases/v1', rows })}\n`)
  await io.out(formatSheet({ title: 'Aliases', columns, rows, notes: [] }, format, { decorated: io.decorated, header }))
}
