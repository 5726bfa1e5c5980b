import { existsSync, realpathSync } from 'node:fs'

import { storeSetting } from '@spanledger/exporter'
import { openAnalytics, parseAsOf, type Analytics, type SegmentsWords } from '@spanledger/analytics'
import { openStore, type Store } from '@spanledger/store'
import { Option, type Command } from 'commander'

import { formats, type Format } from '../format/write-answer.ts'
import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { colorChoices, openIo, type ColorChoice, type Io } from './io.ts'
import { readJsonFile } from './json-file.ts'
import { OutFailure } from './out-file.ts'

/** Options that every command takes. */
export interface Globals {
  readonly store: string
  readonly tz?: string
  readonly asOf?: string
  readonly segments?: string
  readonly format: Format
  readonly out?: string
  readonly header: boolean
  readonly color?: ColorChoice
  readonly ascii?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

export function addGlobals(program: Command): Command {
  return program
    .addOption(new Option('--store <path>', 'the ledger').env(storeSetting.env).default(storeSetting.default))
    .option('--tz <zone>', "IANA zone of local days (default: the ledger's reporting zone)")
    .option('--as-of <instant>', 'answer as of a date (its end) or an instant (default: now)')
    .addOption(
      new Option('--segments <file>', 'a JSON file of segments of your own, in the order in which they are tried').env(
        'SPANLEDGER_SEGMENTS',
      ),
    )
    .addOption(new Option('--format <format>', 'how data is written').choices([...formats, PARQUET]).default('table'))
    .addOption(new Option('--json', 'the same as --format json; --json=user,cost_usd has only these columns').implies({ format: 'json' }))
    .option('--out <file>', 'write data to a file instead of stdout')
    .option('--no-header', 'leave out the line of column names (table, csv, tsv) or the title (md)')
    .addOption(new Option('--color <when>', 'colours: on a terminal, always or never').choices(colorChoices).default('auto'))
    .option('--ascii', 'draw tables with characters that every terminal has')
    .option('--quiet', 'say nothing on stderr but errors')
    .option('--verbose', 'show where an error comes from')
}

/** The format that only exports are written in: it is no text. */
export const PARQUET = 'parquet'

/** A command's options together with the global ones. @throws CommandFailure for a format that only exports have */
export function optionsOf<Options>(command: Command): Globals & Options {
  const options = command.optsWithGlobals<Omit<Globals, 'format'> & Options & { readonly format: Format | typeof PARQUET }>()
  if (options.format === PARQUET)
    throw usageFailure('Only exports are written as parquet: spanledger export calls --format parquet --out FILE.')
  return { ...options, format: options.format }
}

/** Runs with the output that the options say. A file of `--out` is replaced when all of it is there, and never by half of it. */
export async function withIo<Result>(globals: Globals, work: (io: Io) => Promise<Result>): Promise<Result> {
  if (globals.out !== undefined) checkOutIsNotStore(globals.out, globals.store)
  const io = openIo({ out: globals.out, quiet: globals.quiet === true, color: globals.color })
  try {
    const result = await work(io)
    await io.close()
    return result
  } catch (error) {
    // A verdict on data, such as a threshold that tripped, comes after the data, which are whole.
    if (error instanceof CommandFailure && !(error instanceof OutFailure)) await io.close()
    else await io.discard()
    throw error
  }
}

/** @throws CommandFailure where a report would take the place of the ledger */
function checkOutIsNotStore(out: string, store: string): void {
  const places = [out, store].map((path) => {
    try {
      return realpathSync(path)
    } catch {
      return undefined
    }
  })
  if (places[0] !== undefined && places[0] === places[1]) {
    throw usageFailure(`--out ${JSON.stringify(out)} is the ledger itself. Name another file.`)
  }
}

/** What a command that reads a ledger works with. */
export interface Reading {
  readonly io: Io
  readonly store: Store
  readonly analytics: Analytics
}

/** Opens the ledger for reading, and closes it whatever happens. */
export async function withLedger<Result>(globals: Globals, work: (reading: Reading) => Promise<Result>): Promise<Result> {
  checkStorePath(globals.store)
  return withIo(globals, async (io) => {
    const store = await openStore({ path: globals.store, readOnly: true })
    try {
      return await work({ io, store, analytics: analyticsOn(store, globals) })
    } finally {
      await store.close()
    }
  })
}

/** Opens a ledger that must be there for writing, and closes it whatever happens: a command that changes one makes none. */
export async function withWritableLedger<Result>(
  globals: Globals,
  work: (writing: { readonly io: Io; readonly store: Store }) => Promise<Result>,
): Promise<Result> {
  checkStorePath(globals.store)
  if (!existsSync(globals.store)) throw usageFailure(`There is no ledger at ${JSON.stringify(globals.store)}. Name another with --store.`)
  return withIo(globals, async (io) => {
    const store = await openStore({ path: globals.store })
    try {
      return await work({ io, store })
    } finally {
      await store.close()
    }
  })
}

/** @throws CommandFailure for a kind of store that this version does not read */
export function checkStorePath(path: string): void {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) {
    throw usageFailure(`--store ${JSON.stringify(path)}: this version reads ledger files only. Give the path of a file.`)
  }
}

/** The moment and the zone that questions are asked for, in words; those of the command where none are given. */
export interface ClockWords {
  readonly asOf?: string | undefined
  readonly tz?: string | undefined
}

/** @throws QueryError for what is no moment, or no zone */
export type AnalyticsAt = (words: ClockWords) => Analytics

export function analyticsOn(store: Store, globals: Pick<Globals, 'tz' | 'asOf' | 'segments'>): Analytics {
  return analyticsAtOn(store, globals)({})
}

/** Analytics for whoever asks as of different moments; the segments are read once. */
export function analyticsAtOn(store: Store, globals: Pick<Globals, 'tz' | 'asOf' | 'segments'>): AnalyticsAt {
  // What is wrong inside is said by analytics.
  const segments = globals.segments === undefined ? undefined : (readJsonFile('--segments', globals.segments) as SegmentsWords)
  return ({ asOf = globals.asOf, tz = globals.tz }) => {
    const asOfMs = asOf === undefined ? undefined : parseAsOf(asOf, tz ?? store.timeZone)
    return openAnalytics(store, { timeZone: tz, now: asOfMs === undefined ? undefined : () => asOfMs, segments })
  }
}

/** `a,b , c` as a list; undefined stays so. */
export function listOf(text: string | undefined): string[] | undefined {
  return text
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** @throws CommandFailure for what is no whole number in the range */
export function wholeNumber(name: string, text: string, { from, to }: { from: number; to: number }): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < from || number > to)
    throw usageFailure(`${name} ${JSON.stringify(text)}: give a whole number from ${from} to ${to}.`)
  return number
}

export function notAllowed(message: string): CommandFailure {
  return new CommandFailure(exitCodes.notAllowed, message)
}
