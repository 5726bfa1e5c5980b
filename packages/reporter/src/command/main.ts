import { createRequire } from 'node:module'

import { QueryError } from '@spanledger/analytics'
import { PriceBookError } from '@spanledger/pricing'
import { StoreError } from '@spanledger/store'
import { Command, CommanderError } from 'commander'

import { addAlias } from './alias.ts'
import { addBackup } from './backup.ts'
import { addCollect } from './collect.ts'
import { addCompletion } from './completion.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addErase } from './erase.ts'
import { addExport } from './export.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { addGlobals } from './globals.ts'
import { addImport } from './import.ts'
import { addPrices } from './prices.ts'
import { addPrivacy } from './privacy.ts'
import { addQuery } from './query.ts'
import { addSchema } from './schema.ts'
import { addReconcile } from './reconcile.ts'
import { addReport, addUsers } from './report.ts'
import { addReprice } from './reprice.ts'
import { addServe } from './serve.ts'
import { addTokens } from './tokens.ts'
import { addTraits } from './traits.ts'
import { addVerify } from './verify.ts'

/** Runs the command `spanledger` and sets the exit code of the process. */
export async function runCommand(args: readonly string[]): Promise<void> {
  process.stdout.on('error', leaveQuietly)
  for (const [signal, exitCode] of [
    ['SIGINT', exitCodes.interrupted],
    ['SIGTERM', exitCodes.terminated],
  ] as const) {
    process.once(signal, () => {
      // Commands that serve wait for the signal themselves and end in order.
      if (process.listenerCount(signal) === 0) process.exit(exitCode)
    })
  }
  try {
    await buildProgram().parseAsync(withFields(args), { from: 'user' })
  } catch (error) {
    process.exitCode = explain(error, args.includes('--verbose'))
    if (error instanceof CommanderError && error.code === 'commander.unknownOption' && args.some((arg) => arg.startsWith(JSON_FIELDS)))
      process.stderr.write('This command has no columns to choose from: --json without a list is all of it.\n')
  }
}

/** `--json=user,cost_usd` is JSON of these columns. Only with `=`: `--json users` is the command `users`. */
function withFields(args: readonly string[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  return args.flatMap((arg, n) => (n < end && arg.startsWith(JSON_FIELDS) ? ['--json', '--columns', arg.slice(JSON_FIELDS.length)] : [arg]))
}

const JSON_FIELDS = '--json='

/** Every command and option; what the documentation is checked against. */
export function buildProgram(): Command {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const program = new Command('spanledger')
    .description('What your LLM calls cost, per user and per segment, from a ledger file.')
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'show help')
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  spanledger report users --last 28d
  spanledger report properties --by property:plan,property:feature --format csv
  spanledger serve
Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage or filter, 3 no data
(--fail-empty), 4 not allowed, 5 threshold tripped (--fail-on), 130 interrupted, 143 terminated.`,
    )
  addGlobals(program)
  for (const add of [
    addReport,
    addUsers,
    addQuery,
    addSchema,
    addServe,
    addCollect,
    addTokens,
    addDemo,
    addPrices,
    addReprice,
    addReconcile,
    addImport,
    addAlias,
    addTraits,
    addErase,
    addPrivacy,
    addExport,
    addBackup,
    addVerify,
    addDoctor,
    addCompletion,
  ])
    add(program)
  for (const command of program.commands) {
    command.helpOption('--help', 'show help')
    for (const inner of command.commands) {
      inner.helpOption('--help', 'show help')
      for (const innermost of inner.commands) innermost.helpOption('--help', 'show help')
    }
  }
  return program
}

function leaveQuietly(error: NodeJS.ErrnoException): void {
  // Whoever read has seen enough: `spanledger report users | head`.
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
  process.stderr.write(`spanledger: cannot write the answer (${error.message}).\n`)
  process.exit(exitCodes.failed)
}

function explain(error: unknown, verbose: boolean): number {
  if (error instanceof CommanderError) {
    // commander has said what is wrong.
    const asked = error.code === 'commander.helpDisplayed' || error.code === 'commander.version'
    return asked ? exitCodes.ok : exitCodes.usage
  }
  const known =
    error instanceof CommandFailure || error instanceof QueryError || error instanceof StoreError || error instanceof PriceBookError
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`spanledger: ${message}${known || verbose ? '' : '\nRun again with --verbose to see where.'}\n`)
  if (verbose && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`)
  if (error instanceof CommandFailure) return error.exitCode
  if (error instanceof QueryError || error instanceof PriceBookError) return exitCodes.usage
  if (error instanceof StoreError && error.kind === 'read_only') return exitCodes.notAllowed
  if (error instanceof StoreError && error.kind === 'refused') return exitCodes.usage
  return exitCodes.failed
}
