import type { Frame } from '../../read/frame.ts'
import { cohorts, type Cohort } from '../../retention/cohorts.ts'
import { intervalInWords, type UserHistory } from '../../behavior/user-history.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { ColumnTable, Told } from '../answers/told.ts'
import { ofActivity } from '../histories/activity.ts'
import { readHistories } from '../histories/read-histories.ts'
import { readPersons } from '../histories/read-persons.ts'
import type { Counted } from '../histories/since-sign-up.ts'
import { readSignUps } from '../../read/read-sign-ups.ts'
import { choiceOf, weeksOf } from '../../report-options.ts'

const defaultWeeks = [1, 2, 4, 8, 12]

/** Users by when they signed up, else were first seen, and which share of them was active in their week n. */
export async function tellCohorts(asked: PeopleAsked): Promise<Told> {
  const { frame, options, interval = 'month', isBegun } = asked
  const { histories: called, dayOf, asOfDay } = await readHistories(frame)
  const ofThese = ofActivity(frame, options)
  const seen = ofThese === frame ? called : withDaysOf(called, (await readHistories(ofThese)).histories)
  const begin = choiceOf(options, 'begin')
  const { histories, badSignUps }: Counted =
    begin === 'sign_up' ? await fromSignUp(frame, seen) : { histories: seen, badSignUps: undefined }
  const { fromMs, toMs } = frame.period
  const weeks = weeksOf(options) ?? defaultWeeks
  const clock = choiceOf(options, 'clock')
  const rows = cohorts(histories, {
    by: interval,
    // All history begins with the first call; somebody may have signed up before it.
    from: isBegun ? dayOf(fromMs) : histories.reduce((least, { firstDay }) => Math.min(least, firstDay), dayOf(fromMs)),
    to: dayOf(Math.max(fromMs, toMs - 1)) + 1,
    asOfDay,
    weeks,
    clock,
    ...(clock === 'calendar' ? { week: asked.week } : {}),
    mode: choiceOf(options, 'mode'),
    base: choiceOf(options, 'base'),
    censoring: choiceOf(options, 'censoring'),
  })
  const ofWhom = choiceOf(options, 'base') === 'all' ? 'share' : 'share of those active in week 1'
  const weekColumns = weeks.map((week): [string, ColumnTable[string]] => [
    `w${week}`,
    [
      `Week ${week}`,
      'rate',
      clock === 'calendar'
        ? `${ofWhom} that was active in week ${week} of the calendar, where 1 is the one in which it signed up, else was first seen; null while not known`
        : `${ofWhom} that was active in its own days ${7 * (week - 1)} to ${7 * week - 1} since it signed up, else was first seen; null while not known`,
      [`w${week}_retained`, `w${week}_of`],
    ],
  ])
  return {
    columns: {
      cohort: [
        'Cohort',
        'date',
        `users who signed up, or where no sign-up is known were first seen, in this local ${intervalInWords(interval)}`,
      ],
      size: ['Users', 'int', 'how many they are'],
      ...Object.fromEntries(weekColumns),
      reason: [
        'Why unknown',
        'string',
        'of weeks that are null: censored, too early to tell; no_users, of those who were asked for nobody is in the cohort',
      ],
    },
    rows: rows.map(({ cohort, size, weeks: cells }) =>
      Object.fromEntries<string | number | null>([
        ['cohort', cohort],
        ['size', size],
        ...cells.flatMap(({ week, share, retained, of }): [string, number | null][] => [
          [`w${week}`, share],
          [`w${week}_retained`, retained],
          [`w${week}_of`, of],
        ]),
        ['reason', reasonOf(cells)],
      ]),
    ),
    totals: rows.length === 0 ? {} : togetherOf(rows),
    badSignUps,
  }
}

function reasonOf(cells: Cohort['weeks']): string | null {
  return cells.some(({ reason }) => reason === 'censored') ? 'censored' : (cells.find(({ reason }) => reason !== null)?.reason ?? null)
}

/** All cohorts together: of each week those of which it is told, so that it is of others than the weeks before. */
function togetherOf(rows: readonly Cohort[]): Told['rows'][number] {
  const cells: [string, number | null][] = (rows[0]?.weeks ?? []).flatMap(({ week }, n): [string, number | null][] => {
    const told = rows.flatMap(({ weeks }) => weeks[n] ?? []).filter(({ share }) => share !== null)
    const [retained, of] = [told.reduce((sum, cell) => sum + (cell.retained ?? 0), 0), told.reduce((sum, cell) => sum + cell.of, 0)]
    return [
      [`w${week}`, of === 0 ? null : retained / of],
      [`w${week}_retained`, of === 0 ? null : retained],
      [`w${week}_of`, of],
    ]
  })
  return Object.fromEntries<number | null>([['size', rows.reduce((sum, { size }) => sum + size, 0)], ...cells])
}

/** The same users with other days of theirs; none for those who have none there. */
function withDaysOf(users: readonly UserHistory[], others: readonly UserHistory[]): UserHistory[] {
  const daysOf = daysById(others)
  return users.map(({ user, firstDay }) => ({ user, firstDay, days: daysOf[Number(user)] ?? [] }))
}

/** By id, which are dense: a Map takes longer, and there are as many as users. */
function daysById(histories: readonly UserHistory[]): UserHistory['days'][] {
  const daysOf: UserHistory['days'][] = []
  for (const { user, days } of histories) daysOf[Number(user)] = days
  return daysOf
}

/** The same users, counted from their sign-up where it is known, and those who signed up and never called. */
async function fromSignUp(frame: Frame, seen: readonly UserHistory[]): Promise<Counted> {
  const said = await readSignUps(frame)
  // Everybody begins with the first call, and who called is known.
  if (said.signUps.size === 0 && frame.period.toMs >= frame.clock.asOfMs)
    return { histories: seen, badSignUps: { unreadable: said.unreadable, late: 0 } }
  const { people, badSignUps } = await readPersons(frame, { said })
  const daysOf = daysById(seen)
  return {
    histories: Array.from(people, ([userId, { user, beginDay }]) => ({ user, firstDay: beginDay, days: daysOf[userId] ?? [] })),
    badSignUps,
  }
}
