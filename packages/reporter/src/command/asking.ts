import type {
  Analytics,
  Answer,
  Attribution,
  Column,
  CompareMode,
  Definition,
  Filter,
  Order,
  ReportParams,
  TraitMode,
  WeekStart,
} from '@spanledger/analytics'
import { isMetric, parseWhere, reportOptions, type GivenOptions } from '@spanledger/analytics'
import type { Command } from 'commander'

import type { Sheet } from '../format/sheet.ts'
import { formatAnswer, notesOf, readByPeople, type Format } from '../format/write-answer.ts'
import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { listOf, wholeNumber, type Globals, type Reading } from './globals.ts'
import { readNamedFile } from './json-file.ts'
import { tripped } from './threshold.ts'

/** Options of the commands that show rows. */
export interface ShowOptions {
  readonly limit?: string
  readonly sort?: string
  readonly columns?: string
  readonly failEmpty?: boolean
  readonly failOn?: string
  readonly explain?: boolean
  readonly ci?: boolean
}

/** Options of the commands that choose calls. */
export interface AskOptions extends ShowOptions {
  readonly since?: string
  readonly until?: string
  readonly last?: string
  readonly by?: string
  readonly where?: string
  readonly user?: string
  readonly userPrefix?: string
  readonly segment?: string
  readonly metrics?: string
  readonly compare?: CompareMode
  readonly weekStart?: WeekStart
  readonly attribution?: Attribution
  readonly traits?: TraitMode
  readonly having?: string
  readonly minUsers?: string
  readonly after?: string
  /** Of a report of several sections. */
  readonly section?: string
  /** Undefined is the format's choice: people are shown that there is more. */
  readonly other?: boolean
}

export function addPeriodOptions(command: Command): Command {
  return command
    .option('--since <when>', 'from a date, a month (2026-01) or an instant on; today, yesterday, 7d')
    .option('--until <when>', 'up to a date or month (it is included) or an instant (not included); today, yesterday')
    .option('--last <length>', 'the last days, weeks or months, today included (28d, 12w, 3mo); or today, yesterday, mtd, qtd, ytd')
    .option('--where <expr>', `only calls that fit: 'plan = pro and feature in (chat, "doc analysis") and cost_usd > 0.01'`)
}

export function addShowOptions(command: Command): Command {
  return command
    .option('--columns <list>', 'which columns to write, in this order; "all" for every one')
    .option('--explain', 'say what each column is')
    .option('--ci', 'each share (error_rate, …) with its numerator, denominator and 95 % interval: error_rate_low, error_rate_high')
    .option('--fail-empty', `exit with ${exitCodes.noData} where there are no rows`)
    .option('--fail-on <expr>', `exit with ${exitCodes.thresholdTripped} where the totals, or else any row, fit: 'error_rate > 0.05'`)
}

export function reportParams(options: AskOptions & Pick<Globals, 'format'>): ReportParams {
  const forPeople = readByPeople.has(options.format)
  return {
    since: options.since,
    until: options.until,
    last: options.last,
    by: listOf(options.by),
    where: given('--where', options.where),
    user: options.user,
    user_prefix: options.userPrefix,
    segment: options.segment,
    metrics: listOf(options.metrics),
    more_metrics: metricsAmong(options.columns),
    order_by: options.sort === undefined ? undefined : parseSort(options.sort),
    limit: parseLimit(options.limit) ?? shownRows(options.format),
    week_start: options.weekStart,
    attribution: options.attribution,
    traits: options.traits,
    having: given('--having', options.having),
    after: options.after,
    // Rows of csv, tsv and ndjson are all that those formats have.
    other: withRowsOnly.has(options.format) ? undefined : (options.other ?? forPeople),
    compare: options.compare,
    explain: options.explain,
    ci: options.ci,
    min_users: options.minUsers === undefined ? undefined : wholeNumber('--min-users', options.minUsers, { from: 2, to: 1_000_000 }),
    options: reportOptionsOf(options),
  }
}

/** The options that only some reports take; of tiers the file is read. */
function reportOptionsOf(asked: AskOptions): GivenOptions {
  const options = asked as Readonly<Record<string, string | undefined>>
  const taken = Object.keys(reportOptions).flatMap((name) => {
    const value = options[name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(taken.map(([name, value]) => [name, name === 'tiers' ? readNamedFile('--tiers', value) : value]))
}

/** Metrics that are to be shown are to be computed too, be they none that the report has anyway. */
function metricsAmong(columns: string | undefined): string[] | undefined {
  return listOf(columns)?.filter(isMetric)
}

function parseLimit(text: string | undefined): number | undefined {
  return text === undefined ? undefined : wholeNumber('--limit', text, { from: 1, to: 10_000_000 })
}

/** `cost_usd:desc,user:asc`; the largest first where nothing is said. */
export function parseSort(text: string): Order[] {
  return (listOf(text) ?? []).map((part): Order => {
    const match = /^(.+):(asc|desc)$/.exec(part)
    const [, column = '', direction = ''] = /^(.+):([a-z]+)$/i.exec(part) ?? []
    if (match === null && isMetric(column)) throw usageFailure(`--sort ${part}: a column is sorted asc or desc, not ${direction}.`)
    return [match?.[1] ?? part, match?.[2] === 'asc' ? 'asc' : 'desc']
  })
}

/** Rows that formats for people show where no limit was given: a page has room for the days of a chart. */
export function shownRows(format: Format): number | undefined {
  return readByPeople.has(format) ? (format === 'html' ? 1000 : 50) : undefined
}

/** Params of an answer that choose calls whenever these were. */
const filterParams = ['where', 'user', 'user_prefix', 'segment'] as const

/** Why an answer has no rows, and what there is to ask for. */
async function whyEmpty(analytics: Analytics, { meta, params }: Answer, { asOf }: Globals): Promise<string> {
  if (meta.requests > 0) return 'No rows: nothing in this period is what this asks for.'
  const { totals } = await analytics.query({ metrics: ['requests', 'started_at', 'last_call_at'] })
  if (totals['requests'] === 0) return `The ledger holds no calls${asOf === undefined ? ' yet' : ` before ${asOf}`}.`
  const isFiltered = filterParams.some((name) => params[name] !== undefined)
  return `${isFiltered ? 'No call in this period passes the filter.' : 'No calls in this period.'} The ledger has calls from ${String(totals['started_at'])} to ${String(totals['last_call_at'])}.`
}

/** Writes an answer as the options say, then fails where they ask for it. */
export async function writeAnswer(
  { io, analytics }: Pick<Reading, 'io' | 'analytics'>,
  answer: Answer,
  {
    globals,
    options,
    preferred,
    more = [],
    readWhole,
  }: {
    globals: Globals
    options: ShowOptions
    preferred?: readonly string[]
    more?: readonly Sheet[]
    /** Reads the answer with all its rows: a threshold looks at those too that are not shown. */
    readWhole?: () => Promise<Answer>
  },
): Promise<void> {
  if (answer.seed !== undefined) return io.out(`${JSON.stringify(answer.seed, null, 2)}\n`)
  const forPeople = readByPeople.has(globals.format)
  const columns = chooseColumns(answer, given('--columns', options.columns), forPeople ? preferred : undefined)
  const shown = columns === answer.columns ? answer : withColumns(answer, columns)
  // Before anything is written: a fault in the expression is the asker's, and is to be the only thing that is said.
  const isCut = options.limit === undefined && answer.meta.rows > answer.rows.length
  const looked = options.failOn !== undefined && isCut && readWhole !== undefined ? await readWhole() : answer
  const why = options.failOn === undefined ? undefined : tripped(parseThreshold(options.failOn), looked)
  await io.out(
    formatAnswer(shown, globals.format, { decorated: io.decorated, header: globals.header, ascii: globals.ascii === true }, more),
  )
  if (globals.format === 'table') {
    if (shown.rows.length === 0) io.say(await whyEmpty(analytics, answer, globals))
    const hidden = answer.columns.length - columns.length
    if (hidden > 0 && options.columns === undefined) io.say(`${hidden} more columns: --columns all, or --format json`)
  }
  if (withRowsOnly.has(globals.format)) for (const { key, says } of shown.definitions ?? []) io.say(`${key}: ${says}`)
  if (globals.format === 'table' || !forPeople) for (const note of notesOf(shown)) io.say(`note: ${note}`)
  if (globals.format !== 'json' && shown.meta.next !== null) io.say(`next rows: --after ${shown.meta.next}`)
  if (options.failEmpty === true && answer.rows.length === 0) throw new CommandFailure(exitCodes.noData, 'No rows (--fail-empty).')
  if (why !== undefined)
    throw new CommandFailure(exitCodes.thresholdTripped, `Threshold tripped: ${why} (--fail-on ${JSON.stringify(options.failOn)}).`)
}

/** Formats that are rows and nothing else. */
const withRowsOnly: ReadonlySet<Format> = new Set<Format>(['ndjson', 'csv', 'tsv'])

function withColumns(answer: Answer, columns: readonly Column[]): Answer {
  const { rows, totals, other, definitions } = answer
  return {
    ...answer,
    columns,
    rows: rows.map((row) => pick(row, columns)),
    totals: pick(totals, columns),
    ...(other === undefined || other === null ? {} : { other: { rows: other.rows, values: pick(other.values, columns) } }),
    ...(definitions === undefined ? {} : { definitions: definitionsOf(columns, answer) }),
  }
}

function definitionsOf(columns: readonly Column[], { definitions = [] }: Answer): Definition[] {
  return columns.flatMap(({ key }) => definitions.find((definition) => definition.key === key) ?? [])
}

function parseThreshold(text: string): Filter {
  try {
    return parseWhere(text)
  } catch (cause) {
    throw usageFailure(`Cannot read --fail-on ${JSON.stringify(text)}. Write totals and bounds: 'error_rate > 0.05 or cost_usd > 100'.`, {
      cause,
    })
  }
}

/** An option that was given empty (`--where "$UNSET"`) is a mistake: taken for none, it would show everything. */
function given(option: string, text: string | undefined): string | undefined {
  if (text?.trim() === '') throw usageFailure(`${option} is empty. Leave it out to ask for everything.`)
  return text
}

function chooseColumns(answer: Answer, wanted: string | undefined, preferred: readonly string[] | undefined): readonly Column[] {
  if (wanted === 'all') return answer.columns
  if (wanted === undefined) {
    if (preferred === undefined) return answer.columns
    const chosen = columnsNamed(
      answer,
      preferred.flatMap((key) => [key, `${key}_change`]),
    )
    return chosen.length < 2 ? answer.columns : chosen
  }
  return (listOf(wanted) ?? []).map((key) => {
    const column = answer.columns.find((one) => one.key === key)
    if (column === undefined)
      throw usageFailure(
        `Unknown column ${JSON.stringify(key)} in --columns. Allowed: ${answer.columns.map((one) => one.key).join(', ')}, all.`,
      )
    return column
  })
}

/** Those of an answer's columns that are named, in the order of the names. */
export function columnsNamed({ columns }: Pick<Answer, 'columns'>, names: readonly string[]): Column[] {
  return names.flatMap((name) => columns.find(({ key }) => key === name) ?? [])
}

function pick(row: Answer['totals'], columns: readonly Column[]): Answer['totals'] {
  return Object.fromEntries(columns.filter(({ key }) => Object.hasOwn(row, key)).map(({ key }) => [key, row[key] ?? null]))
}
