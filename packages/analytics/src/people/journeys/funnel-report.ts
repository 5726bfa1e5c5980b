import { funnel, type FunnelStep, type Path } from '../../journey/funnel.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { QueryError } from '../../query/query-error.ts'
import { byCohort, cohortColumn } from './by-cohort.ts'
import { parseSteps, type FunnelStepWords } from './funnel-steps.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readFunnel } from './read-funnel.ts'
import { daysWithin, namesOf } from '../../report-options.ts'

const DAY_MS = 86_400_000

/** How many users take steps one after the other, and where the others stop. */
export async function tellFunnel({ frame, options, interval, isBegun }: PeopleAsked): Promise<Told> {
  const words = parseSteps(options['steps'])
  const withinDays = daysWithin(options)
  const needsAdvanced = words.some((step) => step.kind === 'once' && step.name === 'first_advanced_feature')
  const advancedFeatures = needsAdvanced ? namesOf('advanced_features', options) : undefined
  if (needsAdvanced && advancedFeatures === undefined) {
    throw new QueryError('The step first_advanced_feature needs --advanced-features: which features are advanced only you know.', {
      given: 'first_advanced_feature',
    })
  }
  const { paths, pending, badSignUps, warnings } = await readFunnel(frame, words, {
    isBegun,
    withinMs: withinDays * DAY_MS,
    advancedFeatures,
  })
  const dayOf = ([enteredMs]: Path): number => timeKeyOfDay('day', frame.zone.day(enteredMs))
  const cells = (own: readonly Path[]) => funnel(own, words.length).map((step, n) => cellsOf(step, { words: words[n], n, pending }))
  const isEmpty = (await frame.firstSeen()).size === 0
  // Who asks for steps that nobody takes is told so, step by step.
  const rows = paths.length === 0 && interval === undefined && !isEmpty ? cells([]) : byCohort(paths, { interval, dayOf }, cells)
  return {
    columns: {
      ...cohortColumn(interval, 'the first step'),
      n: ['#', 'int', 'the place of the step'],
      step: ['Step', 'string', 'as it was asked for'],
      users: ['Users', 'int', `users who took it behind the steps before it, at most ${withinDays} times 24 hours after the first`],
      rate: ['Rate', 'rate', 'users / users of the first step', ['users', 'entered']],
      conversion: ['From before', 'rate', 'users / users of the step before', ['users', 'before']],
      drop_off: ['Drop-off', 'rate', '1 - conversion', ['dropped', 'before']],
      time_p50_s: ['Time p50', 's', 'median time since the step before, of these users'],
      time_p90_s: ['Time p90', 's', 'nine of ten were faster'],
      total_p50_s: ['Since first', 's', 'median time since the first step'],
      basis: ['Known how', 'string', 'explicit: the app said so; inferred: from calls'],
      reason: ['Why unknown', 'string', `no_users; censored: all took the first step less than ${withinDays} days before as_of`],
    },
    rows,
    badSignUps,
    warnings: [
      ...warnings,
      ...(pending === 0 ? [] : [`${pending} users took the first step less than ${withinDays} days before as_of, and are left out`]),
    ],
  }
}

function cellsOf(found: FunnelStep, { words, n, pending }: { words: FunnelStepWords | undefined; n: number; pending: number }) {
  return {
    n: n + 1,
    step: words?.text ?? '',
    users: found.users,
    rate: found.rate,
    conversion: found.conversion,
    drop_off: found.dropOff,
    entered: found.entered,
    before: found.before,
    dropped: found.before === null ? null : found.before - found.users,
    time_p50_s: found.secondsP50,
    time_p90_s: found.secondsP90,
    total_p50_s: found.totalSecondsP50,
    basis: words?.kind === 'call' || (words?.kind === 'once' && words.name !== 'signup') ? 'inferred' : 'explicit',
    reason: found.rate !== null ? null : pending > 0 ? 'censored' : 'no_users',
  }
}
