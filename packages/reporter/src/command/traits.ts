import type { Column } from '@spanledger/analytics'
import type { Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { localTimes } from '../import/read-time.ts'
import { traitRows } from '../import/trait-rows.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { optionsOf, withLedger, withWritableLedger, type Globals } from './globals.ts'

/** Lines that are named when they cannot be read; the others are counted. */
const MAX_LINES_SAID = 10

export function addTraits(program: Command): void {
  const group = program.command('traits').description('what holds for users rather than for calls: a plan, a region')
  const importing = group
    .command('import')
    .description('bring traits in from a CSV file with a row a user')
    .argument('<file>', 'a header, with a column "user"; a column "valid_from" is optional, every other one is a trait')
    .addHelpText(
      'after',
      `
A row holds from its valid_from on, until the next one of the user. Without: the first value known of a user ever since, any
other from now on. Empty cells say nothing. Importing again changes nothing.

Examples:
  spanledger traits import users.csv
  spanledger report properties --by trait:plan --traits current`,
    )
    .action((file: string) => importTraits(file, optionsOf(importing)))
  const listing = group
    .command('list')
    .description('every trait, with how many users have it')
    .addHelpText('after', '\nExample:\n  spanledger traits list')
    .action(() => listTraits(optionsOf(listing)))
}

async function importTraits(file: string, globals: Globals): Promise<void> {
  await withWritableLedger(globals, async ({ io, store }) => {
    const sum = { written: 0, unchanged: 0, refused: 0, lines: 0 }
    for await (const { traits, refused } of traitRows(file, localTimes(globals.tz ?? store.timeZone))) {
      for (const { line, detail } of refused) if (sum.lines++ < MAX_LINES_SAID) io.say(`line ${line} is left out: ${detail}`)
      if (traits.length === 0) continue
      const outcome = await store.writeTraits(traits)
      sum.written += outcome.written
      sum.unchanged += outcome.unchanged
      sum.refused += outcome.refused
    }
    io.say(
      `Traits: ${sum.written} written, ${sum.unchanged} known already, ${sum.refused} refused (no user id, name or time), ${sum.lines} lines left out.`,
    )
    if (sum.written + sum.unchanged === 0) throw new CommandFailure(exitCodes.failed, `No trait in ${JSON.stringify(file)} could be read.`)
  })
}

const columns: readonly Column[] = [
  { key: 'trait', type: 'string', label: 'Trait' },
  { key: 'users', type: 'int', label: 'Users' },
  { key: 'values', type: 'int', label: 'Values' },
  { key: 'last_valid_from', type: 'time', label: 'Last change' },
]

async function listTraits(globals: Globals): Promise<void> {
  await withLedger(globals, async ({ io, store }) => {
    const found = await store.traits()
    const rows = found.map(({ name, users, values, lastValidFromMs }) => ({
      trait: name,
      users,
      values,
      last_valid_from: lastValidFromMs === 0 ? null : new Date(lastValidFromMs).toISOString(),
    }))
    if (globals.format === 'json') return io.out(`${JSON.stringify({ schema: 'traits/v1', rows })}\n`)
    await io.out(
      formatSheet({ title: 'Traits', columns, rows, notes: [] }, globals.format, { decorated: io.decorated, header: globals.header }),
    )
  })
}
