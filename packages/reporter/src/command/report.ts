import {
  attributions,
  compareModes,
  isComposite,
  reportList,
  reportOptions,
  traitModes,
  weekStarts,
  type ReportParams,
} from '@spanledger/analytics'
import { Option, type Command } from 'commander'

import type { Sheet } from '../format/sheet.ts'
import { formatSheet, readByPeople, reportOf } from '../format/write-answer.ts'
import { addPeriodOptions, addShowOptions, reportParams, writeAnswer, type AskOptions } from './asking.ts'
import { optionsOf, withIo, withLedger, type Globals, type Reading } from './globals.ts'
import type { Io } from './io.ts'
import { byDayParams, byDaySheet, byDayTrends } from './overview-by-day.ts'
import { preferredColumns } from './preferred-columns.ts'
import { showComposite } from './show-composite.ts'
import { spoolFiles, spoolFolder } from './spool-folder.ts'
import { repeat, watchMs, type WatchOptions } from './watch.ts'

export function addReport(program: Command): void {
  const command = program
    .command('report')
    .description('show a report; alone it lists them')
    .argument('[name]', reportList.map(({ name }) => name).join(', '))
    .option('--user <id>', 'only this user')
  addReportOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  spanledger report users --last 28d --sort cost_usd:desc --limit 20
  spanledger report properties --by property:plan,property:feature --since 2026-01-01 --until 2026-01-31
  spanledger report models --where 'environment = production and cost_usd > 0.01' --format csv
  spanledger report users --last 4w --compare previous --format json
  spanledger report benchmark --last 30d --user user-123
  spanledger report bias --by property:plan --last 12w
  spanledger report onboarding --last 12w --by time:month
  spanledger report milestones --advanced-features analysis,agents --within 14d
  spanledger report funnel --steps 'first_request, feature = analysis, goal:solved, plan:pro' --within 30d
  spanledger report tasks --last 28d --timeout 24h
  spanledger report lifecycle --last 28d --stage growth --free-plans free,trial
  spanledger report active --last 3mo --format html --out active.html
  spanledger report weekly
  spanledger report monthly --date 2026-03-01 --tiers tiers.json --format html --out march.html`,
    )
    .action(async (name: string | undefined) => {
      const options = optionsOf<AskOptions & WatchOptions>(command)
      if (name === undefined) await withIo(options, (io) => listReports(io, options))
      else await runReport(name, options)
    })
}

/** `users` and `user ID`: short for the reports of these names. */
export function addUsers(program: Command): void {
  const users = program.command('users').description('what each user used and cost: short for report users')
  addReportOptions(users)
    .option('--user <id>', 'only this user')
    .addHelpText('after', '\nExample:\n  spanledger users --last 28d --sort cost_usd:desc --limit 20')
    .action(() => runReport('users', optionsOf<AskOptions & WatchOptions>(users)))
  const user = program
    .command('user')
    .description('one user: models, features, errors, sessions, days; short for report user --user ID')
    .argument('<id>', 'the user')
  addReportOptions(user)
    .addHelpText('after', '\nExample:\n  spanledger user user-123 --last 28d')
    .action((id: string) => runReport('user', { ...optionsOf<AskOptions & WatchOptions>(user), user: id }))
}

function addReportOptions(command: Command): Command {
  command
    .option('--by <list>', 'split by dimensions: property:plan,property:feature,time:week')
    .option('--user-prefix <text>', 'only users whose id begins so')
    .option('--segment <name>', 'only users of this segment: power, casual, new, at_risk, churned, or one of --segments')
    .option('--metrics <list>', 'which columns to compute')
    .option('--sort <list>', 'by which columns: cost_usd:desc,user:asc')
    .option('--having <expr>', "only rows that fit: 'cost_usd > 5 and requests < 10'")
    .option('--limit <n>', 'at most so many rows')
    .option('--after <cursor>', 'the rows after a page: "next" of its meta data')
    .option('--other', 'with json: what all rows that are not listed are together; other formats for people have it anyway')
    .option('--no-other', 'leave it out')
    .addOption(new Option('--traits <when>', 'the value of a trait: when each call was made, or at --as-of').choices(traitModes))
    .option('--min-users <n>', 'rows of fewer different users are told as one, so that nobody can be picked out of what is shared')
    .addOption(new Option('--attribution <how>', 'count calls whose property is a list under each of its values').choices(attributions))
    .addOption(new Option('--week-start <day>', 'on which day weeks begin').choices(weekStarts))
    .addOption(new Option('--compare <with>', 'add columns of as many days before, or of the same weekdays before').choices(compareModes))
  for (const [name, { says, ...option }] of Object.entries(reportOptions)) {
    const flag = `--${name.replaceAll('_', '-')}`
    const given =
      'alone' in option
        ? new Option(`${flag} [${name}]`, says).preset(option.alone)
        : new Option(`${flag} <${name.replaceAll('_', '-')}>`, says)
    command.addOption('values' in option ? given.choices(option.values) : given)
  }
  command.option('--watch <interval>', 'show it again and again: 5s, 1m; until interrupted, or a threshold trips')
  return addShowOptions(addPeriodOptions(command))
}

/** Shows a report, as often as is asked for. */
export async function runReport(name: string, options: Globals & AskOptions & WatchOptions): Promise<void> {
  const everyMs = options.watch === undefined ? undefined : watchMs(options.watch, options)
  await withLedger(options, (reading) => repeat(everyMs, reading.io, () => show(reading, name, options)))
}

async function listReports(io: Io, { format, header }: Globals): Promise<void> {
  const columns = [
    { key: 'report', type: 'string', label: 'Report' },
    { key: 'shows', type: 'string', label: 'Shows' },
  ] as const
  const rows = reportList.map(({ name, says }) => ({ report: name, shows: says }))
  if (format === 'json') await io.out(`${JSON.stringify({ schema: 'reports/v1', rows })}\n`)
  else if (format === 'table') await io.out(rows.map(({ report, shows }) => `${report.padEnd(20)}${shows}\n`).join(''))
  else await io.out(formatSheet({ title: 'Reports', columns, rows, notes: [] }, format, { decorated: false, header }))
}

/** A report is one table, or several; one section of several is a report again. */
async function show(reading: Reading, name: string, options: Globals & AskOptions): Promise<void> {
  sayWhatWaits(reading.io, spoolFolder({ store: options.store }))
  if (isComposite(name) && options.section === undefined) await showComposite(reading, name, options)
  else await showReport(reading, name, options)
}

async function showReport(reading: Reading, name: string, options: Globals & AskOptions): Promise<void> {
  const asked = reportParams(options)
  // Formats for people show what the other rows are together, where rows are groups of calls.
  const params = options.other === true || isAboutCalls(name) ? asked : { ...asked, other: undefined }
  const answer = await reading.analytics.report(name, params)
  const preferred = options.metrics === undefined ? preferredColumns(reportOf(answer), answer) : undefined
  const isOverview = name === 'overview' && options.by === undefined && answer.rows.length > 0
  await writeAnswer(reading, answer, {
    globals: options,
    options,
    readWhole: () => reading.analytics.report(name, { ...params, limit: undefined, other: undefined }),
    ...(preferred === undefined ? {} : { preferred }),
    ...(isOverview && readByPeople.has(options.format) ? { more: [await overviewByDay(reading, params, options)] } : {}),
  })
}

function isAboutCalls(name: string): boolean {
  return reportList.some((one) => one.name === name && one.about === 'calls')
}

/** An overview is one line; how it came to be is shown below it. */
async function overviewByDay({ analytics }: Reading, params: ReportParams, { format, ascii }: Globals): Promise<Sheet> {
  const answer = await analytics.report('overview', byDayParams(params))
  return format === 'html' ? byDaySheet(answer) : byDayTrends(answer, { ascii: ascii === true })
}

/** Calls that an app put aside are not in the ledger yet. */
function sayWhatWaits(io: Io, path: string): void {
  const files = spoolFiles(path)
  const waiting = Array.isArray(files) ? files.length : 0
  if (waiting > 0) io.say(`note: ${waiting} files wait in ${path}; apps write them when they start, or now: spanledger doctor --drain`)
}
