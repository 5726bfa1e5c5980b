import { countStages, type Stage } from '../../journey/stages.ts'
import { milestoneSteps, toldStep, type Step } from '../../journey/way.ts'
import { QueryError, unknownName } from '../../query/query-error.ts'
import { tellAcquisition, tellActivation } from './lifecycle-begin.ts'
import { stageMetricCells, stageMetricColumns, type StageAsked, type StageMetric } from './lifecycle-rows.ts'
import { tellGrowth, tellRetention } from './lifecycle-stay.ts'
import { rulesTold } from '../../read/frame.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readLifecycle } from './read-lifecycle.ts'
import { choiceOf, namesOf, type GivenOptions } from '../../report-options.ts'

const tellers: Readonly<Record<Stage, (asked: StageAsked) => Promise<StageMetric[]>>> = {
  acquisition: tellAcquisition,
  activation: tellActivation,
  retention: tellRetention,
  growth: tellGrowth,
}

/** How long before its end the stages are looked at that users moved from, where no begin was asked for. */
const MOVED_SINCE_MS = 28 * 86_400_000

/** Users by how far they have come with the app, and who moved; or the figures of one stage. */
export async function tellLifecycle(given: PeopleAsked): Promise<Told> {
  const { frame, options, isBegun } = given
  const endMs = Math.min(frame.period.toMs, frame.clock.asOfMs)
  const startMs = isBegun ? frame.period.fromMs : endMs - MOVED_SINCE_MS
  const asked = {
    startMs,
    endMs,
    onboarding: onboardingSteps(options),
    advancedFeatures: namesOf('advanced_features', options),
    isFree: freePlans(options),
  }
  const lifecycle = await readLifecycle(frame, asked)
  const { badSignUps } = lifecycle
  const warnings = [...lifecycle.warnings, ...rulesTold(frame)]
  const stage = choiceOf(options, 'stage')
  if (stage !== 'all') {
    const metrics = lifecycle.members.length === 0 ? [] : await tellers[stage]({ frame, asked, lifecycle, week: () => given.week })
    return { columns: stageMetricColumns, rows: metrics.map(stageMetricCells), badSignUps, warnings }
  }
  const counts = lifecycle.members.length === 0 ? [] : countStages(lifecycle.members)
  return {
    columns: {
      stage: [
        'Stage',
        'string',
        'the last that fits: growth (a power user, moved from a free plan to another, answered 9 or 10 of 10, or referred somebody); retention (there for 28 days, active in three of the last four weeks); activation (first success and onboarding on the first seven days); acquisition (everybody else who came)',
      ],
      users: ['Users', 'int', 'users who had come by the end of the period, by their stage then'],
      share: ['Share', 'rate', 'of these users', ['users', 'all']],
      moved_in: [
        'Moved in',
        'int',
        'users who were in another stage, or not there, at the begin of the period (28 days before its end where none was asked for)',
      ],
      moved_out: ['Moved out', 'int', 'users who were in it then, and are in another one now'],
      at_risk: ['At risk', 'int', 'of the users, those who call much less than they did (as in segments)'],
      churned: ['Churned', 'int', 'of the users, those without a call in the 30 days before the end of the period'],
    },
    rows: counts.map(({ stage: name, users, share, movedIn, movedOut, atRisk, churned }) => ({
      stage: name,
      users,
      share,
      all: lifecycle.members.length,
      moved_in: movedIn,
      moved_out: movedOut,
      at_risk: atRisk,
      churned,
    })),
    totals: {
      users: counts.reduce((sum, { users }) => sum + users, 0),
      at_risk: counts.reduce((sum, { atRisk }) => sum + atRisk, 0),
      churned: counts.reduce((sum, { churned }) => sum + churned, 0),
    },
    badSignUps,
    warnings,
  }
}

/** What onboarding takes beside a first success: `goal:setup`, `milestone:profile`, `first_multi_turn`. */
function onboardingSteps(options: GivenOptions): Step[] {
  const known: readonly Step[] = milestoneSteps
  return (namesOf('onboarding', options) ?? []).map((name) => {
    if (/^(?:goal|milestone):./.test(name)) return toldStep(name)
    const step = known.find((one) => one.name === name)
    if (step === undefined) {
      throw unknownName('step of onboarding', name, { allowed: [...known.map((one) => one.name), 'goal:NAME', 'milestone:NAME'] })
    }
    if (name === 'first_advanced_feature' && options['advanced_features'] === undefined) {
      throw new QueryError('The step first_advanced_feature needs --advanced-features: which features are advanced only you know.', {
        given: name,
      })
    }
    return step
  })
}

/** Plans that cost nothing: those that are named, else those whose name begins with "free". */
function freePlans(options: GivenOptions): (plan: string) => boolean {
  const names = namesOf('free_plans', options)
  return names === undefined ? (plan) => /^free/i.test(plan.trim()) : (plan) => names.includes(plan)
}
