import { automaticOnly } from '../../segments/custom-segments.ts'
import { rulesTold, scopeOf, type Frame } from '../../read/frame.ts'
import type { Memberships } from '../../segments/memberships.ts'
import { QueryError } from '../../query/query-error.ts'
import { readGroups } from '../../read/read-groups.ts'
import { readMembershipHistory } from '../../read/read-membership-history.ts'
import { dateOf, intervalInWords, intervalLabel, shiftInterval, startOfInterval, type Interval } from '../../behavior/user-history.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { countSegments, movesBetween } from './segment-moves.ts'

/** A bucket of the history, and the instants at which it begins and ends. */
interface Span {
  readonly label: string
  readonly fromMs: number
  /** Not after `as_of`. */
  readonly toMs: number
  readonly complete: boolean
}

/** So many instants are computed at most: a year of days, or centuries of months. */
const MAX_SPANS = 400

/** How many users each segment had at the end of each day, week or month of the period, and who moved. */
export async function tellSegmentHistory({ frame, interval = 'day' }: PeopleAsked): Promise<Told> {
  const spans = spansOf(frame, interval)
  const history = await readHistory(frame, spans)
  const isMeant = await readMeant(frame)
  return {
    columns: {
      period: ['Period', 'date', `a local ${intervalInWords(interval)}`],
      segment: ['Segment', 'string', 'as it was decided at the end of the period, or at as_of, from what had happened by then'],
      users: ['Users', 'int', 'users in it then'],
      share: ['Share', 'rate', 'of all users that had made a call by then', ['users', 'all']],
      moved_in: ['Moved in', 'int', 'users in it who were not when the period began'],
      moved_out: ['Moved out', 'int', 'users who were in it when the period began and no longer are'],
      complete: ['Complete', 'bool', 'whether the period was over at as_of'],
    },
    rows: spans.flatMap(({ label, complete }, n) => {
      const [before, now] = [history[n], history[n + 1]]
      if (before === undefined || now === undefined) return []
      const all = [...now.of].filter(([userId]) => isMeant(userId)).length
      return countSegments(before, now, isMeant).map(({ segment, users, movedIn, movedOut }) => ({
        period: label,
        segment,
        users,
        share: all === 0 ? null : users / all,
        all,
        moved_in: movedIn,
        moved_out: movedOut,
        complete,
      }))
    }),
    warnings: rulesTold(frame),
  }
}

/** The migration matrix of the period, or of each day, week or month of it. */
export async function tellSegmentMoves({ frame, interval }: PeopleAsked): Promise<Told> {
  const spans = interval === undefined ? wholeOf(frame) : spansOf(frame, interval)
  const history = await readHistory(frame, spans)
  const isMeant = await readMeant(frame)
  const isSplit = interval !== undefined
  return {
    columns: {
      ...(isSplit ? { period: ['Period', 'date', `a local ${intervalInWords(interval)}`] as const } : {}),
      from: ['From', 'string', 'the segment when the period began; (none): no call by then'],
      to: ['To', 'string', 'the segment at its end, or at as_of'],
      users: ['Users', 'int', 'users who were in the one and are in the other'],
      share: ['Share', 'rate', 'of the users of from', ['users', 'in_from']],
    },
    rows: spans.flatMap(({ label }, n) => {
      const [before, now] = [history[n], history[n + 1]]
      if (before === undefined || now === undefined) return []
      return movesBetween(before, now, isMeant).map(({ from, to, users, of, share }): Told['rows'][number] => {
        const move = { from, to, users, share, in_from: of }
        return isSplit ? Object.assign(move, { period: label }) : move
      })
    }),
    warnings: rulesTold(frame),
  }
}

/** Where users were when each span began, and last at the end of the last: a span begins where the one before ends. */
async function readHistory(frame: Frame, spans: readonly Span[]): Promise<readonly Memberships[]> {
  const [first] = spans
  if (first === undefined) return []
  const instants = [first.fromMs, ...spans.map(({ toMs }) => toMs)]
  const history = await readMembershipHistory(frame, { instants, segmentation: frame.clock.segmentation ?? automaticOnly })
  return history.at(-1)?.of.size === 0 ? [] : history
}

/** All users; where the report is restricted, those with such a call in the period. */
async function readMeant(frame: Frame): Promise<(userId: number) => boolean> {
  if (frame.where === undefined) return () => true
  const scope = await scopeOf(frame, frame.period)
  const found = await readGroups(frame.store, scope, { dimensions: [{ kind: 'column', name: 'user' }], metrics: ['requests'] })
  const userIds = new Set(found.map(({ keys }) => Number(keys[0] ?? 0)))
  return (userId) => userIds.has(userId)
}

function wholeOf({ period, clock, zone }: Frame): Span[] {
  const toMs = Math.min(period.toMs, clock.asOfMs)
  const label = dateOf(timeKeyOfDay('day', zone.day(period.fromMs)))
  return toMs <= period.fromMs ? [] : [{ label, fromMs: period.fromMs, toMs, complete: period.toMs <= clock.asOfMs }]
}

/** The days, weeks or months that the period touches; the last may not be over. */
function spansOf({ period, clock, zone }: Frame, interval: Interval): Span[] {
  const startMs = (day: number): number => zone.startOfDay(Number(dateOf(day).replaceAll('-', '')))
  const endMs = Math.min(period.toMs, clock.asOfMs)
  const spans: Span[] = []
  let start = startOfInterval(interval, timeKeyOfDay('day', zone.day(period.fromMs)))
  for (; startMs(start) < endMs; start = shiftInterval(interval, start, 1)) {
    const end = startMs(shiftInterval(interval, start, 1))
    spans.push({
      label: intervalLabel(interval, start),
      fromMs: startMs(start),
      toMs: Math.min(end, clock.asOfMs),
      complete: end <= clock.asOfMs,
    })
    if (spans.length > MAX_SPANS)
      throw new QueryError(
        `The history has more than ${MAX_SPANS} ${interval === 'sunday_week' ? 'week' : interval}s. Give a shorter period (--last 90d), or --by time:month.`,
        {
          given: interval,
        },
      )
  }
  return spans
}
