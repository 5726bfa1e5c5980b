import type { Store } from '@spanledger/store'

import { buildAnswer, type Answer, type Asked, type DefinedColumn, type RawRow } from '../../query/answer.ts'
import type { Dimension } from '../../query/dimensions.ts'
import { checkComparable } from '../../read/compare-previous.ts'
import { metaOf, openFrame, readTotals, scopeOf, type Clock, type Frame, type FrameWords } from '../../read/frame.ts'
import { checkHaving, rowPasses } from '../../query/having.ts'
import { decodeCursor, pageOf, type Place } from '../../query/page.ts'
import { QueryError, unknownName } from '../../query/query-error.ts'
import type { Order } from '../../query/query.ts'
import { checkOrder } from '../../query/query-columns.ts'
import { wholeWhere, type ReportQuery } from '../../report-params.ts'
import { onSnapshot } from '../../ledger/snapshot.ts'
import { signUpWarnings } from '../../read/read-sign-ups.ts'
import { lookUpDone } from '../../read/users-who-did.ts'
import type { Interval, Week } from '../../behavior/user-history.ts'
import type { GivenOptions } from '../../report-options.ts'
import { besideBefore, frameBefore } from './compare-told.ts'
import { withShareParts } from './share-columns.ts'
import type { Told, Value } from './told.ts'
import { watchReads } from './watch-reads.ts'

/** What a report about people is computed from. */
export interface PeopleAsked {
  readonly frame: Frame
  readonly options: GivenOptions
  /** The interval of `--by time:…`; undefined where none was asked for. Reports that never look at it take none. */
  readonly interval: Interval | undefined
  /** On which day weeks begin; for reports that tell of weeks whatever they are split by. */
  readonly week: Week
  /** What `--by property:KEY` or `--by trait:KEY` names, in reports that take one. */
  readonly property: Dimension | undefined
  /** The same without `--user`, `--user-prefix` and `--segment`: those that the asked for are compared with. */
  readonly everybody: Frame
  /** Whether it was said where the period begins; else it is all history. */
  readonly isBegun: boolean
}

/** What `--by` may name: an interval, or a property. */
export type SplitBy = 'interval' | 'property'

export interface ReportKind {
  readonly splitBy: SplitBy
  /** What the report is about whatever the period: then it takes none. */
  readonly isAbout?: string | undefined
}

/** A report about people: its rows are no groups of calls, so it answers with columns of its own. */
export async function peopleReport(
  { store, clock, query, asked, splitBy, isAbout }: { store: Store; clock: Clock; query: ReportQuery; asked: Asked } & ReportKind,
  tell: (asked: PeopleAsked) => Promise<Told>,
): Promise<Answer> {
  refuseWhatIsNotTaken(query, isAbout)
  const week = query.weekStart === 'sunday' ? 'sunday_week' : 'week'
  const interval = splitBy === 'interval' ? intervalOf(query.by, week) : undefined
  if (splitBy === 'property') checkProperty(query.by)
  const { compare } = query
  if (compare !== undefined) checkComparable(query)
  const words: FrameWords = { ...query, by: splitBy === 'property' ? query.by : [], where: wholeWhere(query) }
  const tellOf = async (frame: Frame): Promise<Told> => {
    const options = watchReads(query.options)
    const given = watchReads<PeopleAsked>({
      frame,
      options: options.watched,
      interval,
      week,
      property: frame.dimensions[0],
      everybody: { ...frame, where: await lookUpDone(frame, query.where) },
      isBegun: query.since !== undefined || query.last !== undefined,
    })
    const answer = await tell(given.watched)
    const { seed, ...columns } = answer
    const shown = query.ci ? withShareParts(columns) : columns
    const told = options.watched['shape'] === 'seed' ? { ...shown, seed } : shown
    refuseWhatWasOfNoUse(query, { options: options.unread(), given: given.unread() })
    return told
  }
  return onSnapshot(store, async () => {
    const frame = await openFrame(store, clock, words)
    const now = await tellOf(frame)
    const both = compare === undefined ? now : besideBefore(now, await tellOf(await frameBefore(frame, words, compare)))
    const { columns: table, rows: told, totals = {}, warnings: own = [], badSignUps, seed } = both
    const warnings = badSignUps === undefined ? own : [...signUpWarnings(badSignUps), ...own]
    const columns = Object.entries(table).map(([key, [label, type, says]]): DefinedColumn => ({ key, label, type, says }))
    const unknown = query.moreMetrics.find((name) => !Object.hasOwn(table, name))
    if (unknown !== undefined) throw unknownName('column of this report', unknown, { allowed: Object.keys(table) })
    checkOrder(query.orderBy, columns)
    const rows = told.map(rawRow)
    if (query.having !== undefined) checkHaving(query.having, columns)
    const passing = rows.filter((row) => query.having === undefined || rowPasses(query.having, (key) => row.get(key) ?? null, columns))
    const after = query.after === undefined ? undefined : decodeCursor(query.after, query.orderBy, 2)
    const { items: listed, next } = pageOf([...passing.entries()], placeIn(query.orderBy, columns), {
      order: query.orderBy,
      after,
      limit: query.limit,
    })
    const scope = await scopeOf(frame, frame.period)
    const total = await readTotals(frame, scope, ['requests', 'users'], now.users === undefined ? {} : { users: now.users })
    const meta = await metaOf(frame, scope, { total, rows: passing.length, next, warnings })
    return buildAnswer({
      asked,
      // A row that says so is of a step of time that has not ended.
      meta: {
        ...meta,
        complete: meta.complete && !told.some(({ complete }) => complete === false),
        ...(badSignUps === undefined ? {} : { bad_signup_dates: badSignUps.unreadable + badSignUps.late }),
      },
      columns,
      rows: listed.map(([, row]) => row),
      totals: rawRow(totals),
      explain: query.explain,
      ...(seed === undefined ? {} : { seed }),
    })
  })
}

function rawRow(row: Readonly<Record<string, Value>>): RawRow {
  return new Map(Object.entries(row).map(([key, value]) => [key, typeof value === 'boolean' ? Number(value) : value]))
}

/** Rows that are not to be sorted stand as they are told. */
function placeIn(order: readonly Order[], columns: readonly DefinedColumn[]): (row: [number, RawRow]) => Place {
  const name = order.length === 0 ? undefined : columns[0]?.key
  return ([n, row]) => ({
    values: order.map(([column]) => row.get(column) ?? null),
    names: [name === undefined ? '' : String(row.get(name) ?? ''), String(n).padStart(10, '0')],
  })
}

/** @throws QueryError for what the report was given and did not look at */
function refuseWhatWasOfNoUse({ by, weekStart }: ReportQuery, unread: { options: readonly string[]; given: readonly string[] }): void {
  const [option] = unread.options
  if (option !== undefined)
    throw new QueryError(`${option} is of no use here: with the other options given, this report does not look at it. Leave it out.`, {
      given: option,
    })
  if (unread.given.includes('interval'))
    throw new QueryError(`This report is not split by time: leave ${by.join(', ')} out of by.`, { given: by.join(',') })
  const isByWeek = by.some((name) => name.trim().toLowerCase() === 'time:week')
  if (weekStart === 'sunday' && !isByWeek && unread.given.includes('week'))
    throw new QueryError(
      'week_start is of no use here: asked so, this report has no weeks of the calendar. Days that follow each other, such as the 7 of wau, begin on any day.',
      { given: weekStart },
    )
}

function refuseWhatIsNotTaken({ metrics, other, compare, since, until, last, minUsers }: ReportQuery, isAbout: string | undefined): void {
  if (minUsers !== undefined)
    throw new QueryError('min_users is for answers whose rows are groups of calls; the rows of this report are not. Leave it out.', {
      given: String(minUsers),
    })
  const given = Object.entries({ since, until, last }).find(([, value]) => value !== undefined)
  if (isAbout !== undefined && given !== undefined && compare === undefined)
    throw new QueryError(`This report is about ${isAbout}, and takes no ${given[0]}. Another time is told with as_of (--as-of).`, {
      given: given[0],
    })
  if (other)
    throw new QueryError('The rows of this report do not add up to a whole, so nothing is said of the others together: leave other out.', {
      given: 'true',
    })
  if (metrics !== undefined)
    throw new QueryError('This report has columns of its own and takes no metrics. Choose among them with --columns.', {
      given: metrics.join(','),
    })
}

/** @throws QueryError for a split by anything but one property */
function checkProperty(by: readonly string[]): void {
  const allowed = ['property:KEY', 'latest:KEY', 'trait:KEY', 'feature', 'segment']
  const isOne = by.every((name) => /^(?:property:|latest:|trait:|feature$|segment$)/i.test(name.trim()))
  if (by.length > 1 || !isOne)
    throw new QueryError(`This report is split by one property: ${allowed.join(', ')}. Given: ${by.join(', ')}.`, {
      given: by.join(','),
      allowed,
    })
}

/** @throws QueryError for a split that is no interval */
function intervalOf(by: readonly string[], week: Week): Interval | undefined {
  if (by.length === 0) return undefined
  const allowed = ['time:day', 'time:week', 'time:month']
  const [only = ''] = by
  if (by.length > 1 || !allowed.includes(only.toLowerCase())) {
    throw new QueryError(`This report is split by one interval: ${allowed.join(', ')}. Given: ${by.join(', ')}.`, {
      given: by.join(','),
      allowed,
    })
  }
  const interval = only.toLowerCase().slice('time:'.length) as 'day' | 'week' | 'month'
  return interval === 'week' ? week : interval
}
