import { attributions, compareModes, reportList, reportOptions, traitModes, weekStarts } from '@spanledger/analytics'
import { Option, type Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { addPeriodOptions, addShowOptions, reportParams, writeAnswer, type AskOptions } from './asking.ts'
import { optionsOf, withIo, withLedger, type Globals, type Reading } from './globals.ts'
import type { Io } from './io.ts'
import { spoolFiles, spoolFolder } from './spool-folder.ts'
import { repeat, watchMs, type WatchOptions } from './watch.ts'

/** What fits on a screen; the other columns are there for the asking. */
const preferredColumns: Readonly<Record<string, readonly string[]>> = {
  users: [
    'user',
    'segment',
    'requests',
    'cost_usd',
    'total_tokens',
    'error_rate',
    'active_days',
    'sparkline',
    'last_seen',
    'top_model',
    'top_feature',
  ],
  user: ['part', 'name', 'requests', 'share', 'cost_usd', 'total_tokens', 'error_rate', 'latency_avg_ms', 'last_call_at'],
  onboarding: [
    'cohort',
    'step',
    'users',
    'of',
    'rate',
    'drop_off',
    'time_p50_s',
    'time_p90_s',
    'features_avg',
    'messages_avg',
    'basis',
    'reason',
  ],
  milestones: [
    'cohort',
    'milestone',
    'users',
    'of',
    'rate',
    'time_p50_s',
    'survival_rate',
    'days_to_half',
    'in_order',
    'drop_off',
    'reason',
  ],
  funnel: ['cohort', 'n', 'step', 'users', 'rate', 'conversion', 'drop_off', 'time_p50_s', 'time_p90_s', 'total_p50_s', 'reason'],
  sessions: ['session', 'user', 'requests', 'cost_usd', 'total_tokens', 'started_at', 'duration_ms', 'errors'],
  bias: ['group', 'measure', 'flag', 'users', 'value', 'rest_value', 'ratio', 'ci_low', 'ci_high', 'q', 'mix_explains'],
  benchmark: [
    'user',
    'tier',
    'tenure',
    'peers',
    'requests',
    'requests_percentile',
    'requests_to_median',
    'requests_per_goal',
    'peer_requests_per_goal',
    'features_to_median',
    'satisfaction_delta',
  ],
}
const breakdownColumns: readonly string[] = [
  'requests',
  'users',
  'cost_usd',
  'cost_per_request_usd',
  'total_tokens',
  'latency_avg_ms',
  'latency_p95_ms',
  'error_rate',
]

export function addReport(program: Command): void {
  const command = program
    .command('report')
    .description('show a report; alone it lists them')
    .argument('[name]', reportList.map(({ name }) => name).join(', '))
    .option('--by <list>', 'split by dimensions: property:plan,property:feature,time:week')
    .option('--user <id>', 'only this user')
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
    .addOption(new Option('--attribution <how>', 'count calls whose property is a list under each of its values').choices(attributions))
    .addOption(new Option('--week-start <day>', 'on which day the weeks of time:week begin').choices(weekStarts))
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
  addShowOptions(addPeriodOptions(command))
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
  spanledger report funnel --steps 'first_request, feature = analysis, goal:solved, plan:pro' --within 30d`,
    )
    .action(async (name: string | undefined) => {
      const options = optionsOf<AskOptions & WatchOptions>(command)
      const everyMs = options.watch === undefined ? undefined : watchMs(options.watch, options)
      if (name === undefined) await withIo(options, (io) => listReports(io, options))
      else await withLedger(options, (reading) => repeat(everyMs, reading.io, () => showReport(reading, name, options)))
    })
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

async function showReport(reading: Reading, name: string, options: Globals & AskOptions): Promise<void> {
  sayWhatWaits(reading.io, spoolFolder({ store: options.store }))
  const answer = await reading.analytics.report(name, reportParams(options))
  const own = answer.columns
    .slice(
      0,
      answer.columns.findIndex(({ key }) => key === 'requests'),
    )
    .map(({ key }) => key)
  const preferred = options.metrics === undefined ? (preferredColumns[name] ?? [...own, ...breakdownColumns]) : undefined
  await writeAnswer(reading, answer, { globals: options, options, ...(preferred === undefined ? {} : { preferred }) })
}

/** Calls that an app put aside are not in the ledger yet. */
function sayWhatWaits(io: Io, path: string): void {
  const files = spoolFiles(path)
  const waiting = Array.isArray(files) ? files.length : 0
  if (waiting > 0) io.say(`note: ${waiting} files wait in ${path}; apps write them when they start, or now: spanledger doctor --drain`)
}
