import type { Column } from '@spanledger/analytics'
import type { OptOut, OptOutOutcome } from '@spanledger/store'
import type { Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { addPeriodOptions, addShowOptions, type AskOptions } from './asking.ts'
import { exitCodes } from './failure.ts'
import { optionsOf, withLedger, withWritableLedger, type Globals } from './globals.ts'
import type { Io } from './io.ts'
import { runReport } from './report.ts'

export function addPrivacy(program: Command): void {
  const group = program.command('privacy').description('who opted out, what was erased, and what the ledger holds of people')
  const reporting = group
    .command('report')
    .description('what the ledger holds of people, consents, opt-outs and erasures; short for report privacy')
  addShowOptions(addPeriodOptions(reporting))
    .addHelpText('after', '\nExample:\n  spanledger privacy report --format md')
    .action(() => runReport('privacy', optionsOf<AskOptions>(reporting)))
  addOptOut(group)
}

function addOptOut(group: Command): void {
  const optOut = group.command('opt-out').description('users of whom nothing is kept but that calls were made, and what they cost')
  const adding = optOut
    .command('add')
    .description('from now on the calls of a user, aliases too, are nobody’s, and its events but payments are not kept')
    .argument('<user>', 'the user id')
    .addHelpText(
      'after',
      `\nWhat the ledger holds already stays: spanledger erase USER takes it out.\n\nExample:\n  spanledger privacy opt-out add user-123`,
    )
    .action((user: string) =>
      withWritableLedger(optionsOf(adding), async ({ io, store }) => {
        io.say(added(user, await store.optOut(user)))
      }),
    )
  const removing = optOut
    .command('remove')
    .description('keep what comes of a user again')
    .argument('<user>', 'the user id')
    .addHelpText('after', '\nExample:\n  spanledger privacy opt-out remove user-123')
    .action((user: string) =>
      withWritableLedger(optionsOf(removing), async ({ io, store }) => {
        const { changed } = await store.optIn(user)
        io.say(
          changed
            ? `What comes of ${JSON.stringify(user)} is kept again. What was kept of nobody stays so.`
            : `${JSON.stringify(user)} has not opted out. Nothing to do.`,
        )
      }),
    )
  const checking = optOut
    .command('check')
    .description('say whether a user has opted out: exit code 0 if so, 3 if not')
    .argument('<user>', 'the user id')
    .addHelpText('after', '\nExample:\n  spanledger privacy opt-out check user-123')
    .action((user: string) =>
      withLedger(optionsOf(checking), async ({ io, store }) => {
        const sinceMs = await store.optedOutSince(user)
        io.say(
          sinceMs === undefined
            ? `${JSON.stringify(user)} has not opted out.`
            : `${JSON.stringify(user)} has opted out since ${new Date(sinceMs).toISOString()}.`,
        )
        if (sinceMs === undefined) process.exitCode = exitCodes.noData
      }),
    )
  const listing = optOut
    .command('list')
    .description('every opt-out, by the beginning of a hash: the ids are not kept')
    .addHelpText('after', '\nExample:\n  spanledger privacy opt-out list')
    .action(() => withLedger(optionsOf(listing), async ({ io, store }) => list(io, optionsOf(listing), await store.optOuts())))
}

function added(user: string, { changed, ids }: OptOutOutcome): string {
  if (!changed) return `${JSON.stringify(user)} has opted out already. Nothing to do.`
  const aliases = ids === 1 ? '' : `, and of the ${ids - 1} other ids that are the same person`
  return `What comes of ${JSON.stringify(user)}${aliases} is nobody's from now on. What the ledger holds stays: spanledger erase ${JSON.stringify(user)}`
}

const columns: readonly Column[] = [
  { key: 'id', type: 'string', label: 'Id (hash)' },
  { key: 'since', type: 'time', label: 'Since' },
]

async function list(io: Io, { format, header }: Globals, optOuts: readonly OptOut[]): Promise<void> {
  const rows = optOuts.map(({ id, sinceMs }) => ({ id, since: new Date(sinceMs).toISOString() }))
  if (format === 'json') return io.out(`${JSON.stringify({ schema: 'opt_outs/v1', rows })}\n`)
  await io.out(formatSheet({ title: 'Opt-outs', columns, rows, notes: [] }, format, { decorated: io.decorated, header }))
}
