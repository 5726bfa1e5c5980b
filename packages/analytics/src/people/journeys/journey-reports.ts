import { milestones, type Milestone } from '../../journey/milestones.ts'
import { onboarding, type OnboardingStep } from '../../journey/onboarding.ts'
import { milestoneSteps, toldStep, type Way } from '../../journey/way.ts'
import { byCohort, cohortColumn } from './by-cohort.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { journeyTime } from '../histories/read-persons.ts'
import { readSessionOutcomes } from '../histories/read-session-outcomes.ts'
import { readWays } from './read-ways.ts'
import { choiceOf, daysWithin, namesOf } from '../../report-options.ts'

/** How users begin: from the sign-up to the first request and the first that was worth it, and their first session. */
export async function tellOnboarding({ frame, options, interval, isBegun }: PeopleAsked): Promise<Told> {
  const withinDays = daysWithin(options)
  const time = journeyTime(frame, withinDays)
  const { ways, featureName, badSignUps, warnings } = await readWays(frame, { isBegun })
  const outcomes = await readSessionOutcomes(frame)
  const mode = choiceOf(options, 'outcomes')
  const saidOf = (session: number) => outcomes.get(session)
  return {
    columns: {
      ...cohortColumn(interval, beginsIn),
      step: [
        'Step',
        'string',
        'signed_up, first_request, first_request_ok, first_success (a request that went well), first_session, first_session_success, value (the first goal reached, else the first success)',
      ],
      users: ['Users', 'int', 'users who came so far; of first_request, first_success and value those who did so in the days looked at'],
      of: [
        'Of',
        'int',
        `of first_request, first_success and value: users who came in the period and whose first ${withinDays} days are over; of signed_up: all who came in it; of the others: those of them with a request, or whose first session is over`,
      ],
      rate: ['Rate', 'rate', 'users / of', ['users', 'of']],
      drop_off: [
        'Drop-off',
        'rate',
        'of those who took the steps before on the way first_request, first_success, value: the share that did not take this one',
        ['dropped', 'drop_of'],
      ],
      time_avg_s: [
        'Time avg',
        's',
        'mean time since the sign-up (whole days where only its date is known); of first_session: from its first start to its last end',
      ],
      time_p50_s: ['Time p50', 's', 'the median of the same'],
      time_p90_s: ['Time p90', 's', 'nine of ten were faster'],
      timed: ['Timed', 'int', 'of how many of the users the time is known: those whose sign-up is'],
      features_avg: ['Features', 'number', 'mean number of different features in a first session'],
      messages_avg: ['Messages', 'number', 'mean chat calls in a first session'],
      features: ['Found first', 'string', 'the five features that most first sessions have'],
      basis: ['Known how', 'string', 'explicit: the app said so; inferred: from calls; mixed: of some the one, of others the other'],
      explicit: ['Said', 'int', 'of the users, of how many the app itself said so'],
      reason: [
        'Why unknown',
        'string',
        'no_users; censored: the days, or first sessions, of all who came are still running; no_outcomes: nothing was said of a first session (--outcomes strict); no_sign_up: only the times are unknown',
      ],
    },
    rows: byCohort(ways, { interval, dayOf: beginDay }, (own) => stepsOf(onboarding(own, { time, saidOf, mode, featureName }), own.length)),
    badSignUps,
    warnings: [...warnings, ...withoutSignUps(ways)],
  }
}

const beginsIn = 'users whose first day'
const beginDay = ({ person }: Way): number => person.beginDay

const timedBySignUp: ReadonlySet<string> = new Set(['first_request', 'first_success', 'value'])

function stepsOf(steps: readonly OnboardingStep[], came: number) {
  const sessions = steps.find(({ step }) => step === 'first_session')
  return steps.map((step) => onboardingCells(step, whyUnknown(step, { came, sessions })))
}

function whyUnknown(
  { step, users, rate, timed }: OnboardingStep,
  { came, sessions }: { came: number; sessions: OnboardingStep | undefined },
): string | null {
  const isOfDays = timedBySignUp.has(step)
  if (rate !== null) return isOfDays && users > 0 && timed === 0 ? 'no_sign_up' : null
  if (isOfDays) return came > 0 ? 'censored' : 'no_users'
  if (step !== 'first_session_success' || sessions === undefined || sessions.of === 0) return 'no_users'
  return sessions.users === 0 ? 'censored' : 'no_outcomes'
}

function onboardingCells({ step, users, of, rate, drop, dropOff, seconds, timed, ...row }: OnboardingStep, reason: string | null) {
  return {
    step,
    users,
    of,
    rate,
    drop_off: dropOff,
    dropped: drop?.successes ?? null,
    drop_of: drop?.n ?? null,
    time_avg_s: seconds.avg,
    time_p50_s: seconds.p50,
    time_p90_s: seconds.p90,
    timed,
    features_avg: row.featuresAvg,
    messages_avg: row.messagesAvg,
    features: row.features.length === 0 ? null : row.features.slice(0, 5).join(', '),
    basis: users === 0 ? null : row.explicit === users ? 'explicit' : row.explicit === 0 ? 'inferred' : 'mixed',
    explicit: row.explicit,
    reason,
  }
}

function withoutSignUps(ways: readonly Way[]): string[] {
  return ways.length === 0 || ways.some(({ person }) => person.signUp !== undefined)
    ? []
    : ['no sign-up is known: track.milestone({ name: "signup" }), a trait or a property SignupDate tell when users signed up']
}

/** How many users reach the steps that matter, how long it takes them, and where they get lost. */
export async function tellMilestones({ frame, options, interval, isBegun }: PeopleAsked): Promise<Told> {
  const withinDays = daysWithin(options)
  const time = journeyTime(frame, withinDays)
  const advancedFeatures = namesOf('advanced_features', options)
  const { ways, badSignUps, warnings } = await readWays(frame, { isBegun, advancedFeatures })
  const ordered = milestoneSteps.filter(({ name }) => advancedFeatures !== undefined || name !== 'first_advanced_feature')
  const { told, left } = commonest(ways)
  return {
    columns: {
      ...cohortColumn(interval, beginsIn),
      milestone: [
        'Milestone',
        'string',
        'first_success: a request that went well; first_multi_turn: the second message of a session; first_advanced_feature: a call of one of --advanced-features; first_week_retention: a call on own days 7 to 13; goal:NAME, milestone:NAME: what the app tells',
      ],
      users: [
        'Users',
        'int',
        `users who reached it on their own days 0 to ${withinDays - 1}, counted from the sign-up, else the first call`,
      ],
      of: ['Of', 'int', `users who came in the period and whose first ${withinDays} days are over`],
      rate: ['Rate', 'rate', 'users / of', ['users', 'of']],
      time_p50_s: ['Time p50', 's', 'median time from the begin to it, of the users'],
      time_p90_s: ['Time p90', 's', 'nine of ten were faster'],
      survival_rate: [
        'Reached',
        'rate',
        'the share that has reached it by then, with those whose days are still running counted as far as they go (Kaplan and Meier)',
      ],
      days_to_half: ['Days to half', 'int', 'the own day by which half have reached it, counted likewise; null where half have not'],
      in_order: [
        'In order',
        'int',
        'users who reached the milestones from first_success to this one, one after the other; null for what the app tells',
      ],
      drop_off: [
        'Drop-off',
        'rate',
        'of those who came as far as the one before: the share that did not reach this one after it',
        ['dropped', 'drop_of'],
      ],
      basis: ['Known how', 'string', 'inferred: from calls; explicit: the app said so'],
      reason: [
        'Why unknown',
        'string',
        'no_users; censored: the days of all who came are still running; not_configured: --advanced-features says which are; too_few_days: it takes 14',
      ],
    },
    rows: byCohort(ways, { interval, dayOf: beginDay }, (own) => {
      const rows = milestones(own, { ordered, others: told.map(toldStep), time }).map((row) =>
        milestoneCells(row, { came: own.length, withinDays }),
      )
      return advancedFeatures === undefined ? rows.toSpliced(2, 0, notConfigured) : rows
    }),
    badSignUps,
    warnings: [
      ...warnings,
      ...(left === 0 ? [] : [`${left} of ${told.length + left} goals and milestones that few users reached are left out`]),
      ...(advancedFeatures === undefined && ways.length > 0
        ? ['first_advanced_feature is not told: which features are advanced only you know, --advanced-features analysis,agents']
        : []),
    ],
  }
}

/** More goals and milestones than anybody reads. */
const MAX_TOLD = 50

/** The goals and milestones that most users reached, by name, and how many there are beside them. */
function commonest(ways: readonly Way[]): { told: string[]; left: number } {
  const users = new Map<string, number>()
  for (const { reached } of ways) for (const name of reached.keys()) users.set(name, (users.get(name) ?? 0) + 1)
  const names = [...users].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([name]) => name)
  return { told: names.slice(0, MAX_TOLD).sort(), left: Math.max(0, names.length - MAX_TOLD) }
}

type Cells = Readonly<Record<string, string | number | null>>

const SECOND_WEEK_ENDS_DAY = 14

function milestoneCells({ step, of, users, rate, ...row }: Milestone, { came, withinDays }: { came: number; withinDays: number }): Cells {
  const isTooShort = step.name === 'first_week_retention' && withinDays < SECOND_WEEK_ENDS_DAY
  const known = <Value>(value: Value): Value | null => (isTooShort ? null : value)
  return {
    milestone: step.name,
    users: known(users),
    of,
    rate: known(rate),
    time_p50_s: known(row.secondsP50),
    time_p90_s: known(row.secondsP90),
    survival_rate: known(row.survivalRate),
    days_to_half: known(row.daysToHalf),
    in_order: known(row.inOrder),
    drop_off: known(row.dropOff),
    dropped: row.before === null ? null : known(row.before - (row.inOrder ?? 0)),
    drop_of: known(row.before),
    basis: step.basis,
    reason: isTooShort ? 'too_few_days' : rate !== null ? null : came > 0 ? 'censored' : 'no_users',
  }
}

const notConfigured: Cells = {
  ...milestoneCells(
    {
      step: milestoneSteps[2],
      of: 0,
      users: 0,
      rate: null,
      secondsP50: null,
      secondsP90: null,
      survivalRate: null,
      daysToHalf: null,
      inOrder: null,
      before: null,
      dropOff: null,
    },
    { came: 0, withinDays: SECOND_WEEK_ENDS_DAY },
  ),
  users: null,
  of: null,
  reason: 'not_configured',
}
