import { adoption, introductionsOf, triers, type Adoption } from '../../retention/adoption.ts'
import type { UserHistory } from '../../behavior/user-history.ts'
import { normalQuantile } from '../../statistics/distributions.ts'
import { ratioOfSums, type Parts } from '../../statistics/means.ts'
import { wilsonInterval } from '../../statistics/proportions.ts'
import { timeToReach } from '../../statistics/survival.ts'
import type { Dimension } from '../../query/dimensions.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import type { Group } from '../../sums/group.ts'
import { metricTable } from '../../query/metrics.ts'
import { readGroups } from '../../read/read-groups.ts'
import { byCohort, cohortColumn } from './by-cohort.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readExposures } from './read-exposures.ts'
import { unknownFeatures } from './read-ways.ts'
import { cameIn, readHistories } from '../histories/read-histories.ts'
import { choiceOf, type GivenOptions } from '../../report-options.ts'

/** How far users have come with each feature; or what kept those who tried it, or when it is best introduced. */
export async function tellAdoption(asked: PeopleAsked): Promise<Told> {
  const view = choiceOf(asked.options, 'view')
  return view === 'barriers' ? tellBarriers(asked) : view === 'timing' ? tellTiming(asked) : tellStages(asked)
}

function featuresOf(histories: readonly UserHistory[], options: GivenOptions): string[] {
  if (options['feature'] !== undefined) return [options['feature']]
  return [...new Set(histories.flatMap(({ days }) => days.flatMap(({ features }) => [...features.keys()])))].sort()
}

async function tellStages({ frame, options, week, interval, isBegun }: PeopleAsked): Promise<Told> {
  const found = await readHistories(frame, { features: true })
  const { asOfDay } = found
  const histories = cameIn(frame, found, { isBegun })
  const exposures = await readExposures(frame)
  const used = new Set(histories.flatMap(({ days }) => days.flatMap(({ features }) => [...features.keys()])))
  if (histories.length > 0) for (const feature of exposures.keys()) used.add(feature)
  const features = options['feature'] === undefined ? [...used].sort() : [options['feature']]
  const unknown = features.filter((feature) => !used.has(feature))
  return {
    columns: {
      ...cohortColumn(interval, cameThen),
      feature: ['Feature', 'string', 'the property "feature"'],
      aware: ['Aware', 'int', 'users who could know it: whom the app says it showed it to, and who used it; all, where it does not say'],
      aware_basis: ['Known how', 'string', 'explicit: the app said so; assumed: it did not, so all count'],
      tried: ['Tried', 'int', 'users with a call of the feature'],
      adopted: ['Adopted', 'int', 'users who used it in at least two of the weeks of the last 28 days'],
      power: ['Power', 'int', 'users who used it on at least ten of the last 28 days'],
      tried_rate: ['Tried %', 'rate', 'tried / aware', ['tried', 'aware']],
      adopted_rate: ['Adopted %', 'rate', 'adopted / tried', ['adopted', 'tried']],
      days_to_half: [
        'Days to half',
        'int',
        'days after the first call by which half of the users had tried it (Kaplan and Meier); null where they have not',
      ],
    },
    rows: byCohort(histories, { interval, dayOf: beginDay }, (own) =>
      features
        .map((feature) => adoption(own, feature, { asOfDay, week, exposed: exposures.get(feature) }))
        .toSorted((a, b) => b.tried - a.tried || (a.feature < b.feature ? -1 : 1))
        .map(stageCells),
    ),
    warnings: histories.length === 0 ? [] : unknownFeatures(unknown, [...used]),
  }
}

const cameThen = 'users whose first call'
const beginDay = ({ firstDay }: UserHistory): number => firstDay

function stageCells(row: Adoption) {
  return {
    feature: row.feature,
    aware: row.aware,
    aware_basis: row.awareBasis,
    tried: row.tried,
    adopted: row.adopted,
    power: row.power,
    tried_rate: row.aware === 0 ? null : row.tried / row.aware,
    adopted_rate: row.tried === 0 ? null : row.adopted / row.tried,
    days_to_half: timeToReach(row.firstUse, 0.5),
  }
}

const FEATURE: Dimension = { kind: 'property', key: 'feature' }
const USER: Dimension = { kind: 'column', name: 'user' }

/** A median wait above this is slow for a person who waits. */
const SLOW_MS = 10_000

/** What may keep a user from coming back to a feature, of the user's calls of it: part of whole. Who calls more meets more, so shares are compared. */
const barriers: Readonly<Record<string, (calls: Group) => Parts>> = {
  errors: ({ sums }) => ({ part: sums.get('errors') ?? 0, whole: sums.get('requests') ?? 0 }),
  retries: ({ retries }) => ({ part: retries?.retries ?? 0, whole: retries?.requests ?? 0 }),
  rate_limits: ({ sums }) => ({ part: sums.get('rate_limited_requests') ?? 0, whole: sums.get('requests') ?? 0 }),
  slow_answers: (calls) => ({ part: Number(metricTable.latency_p95_ms.of(calls) ?? 0) > SLOW_MS ? 1 : 0, whole: 1 }),
  negative_feedback: ({ feedback }) => ({ part: (feedback?.count ?? 0) - (feedback?.positive ?? 0), whole: feedback?.count ?? 0 }),
}

/** What those who tried a feature and did not keep it met in it, beside those who kept it. */
async function tellBarriers({ frame, options, week, interval, isBegun }: PeopleAsked): Promise<Told> {
  const found = await readHistories(frame, { features: true })
  const { asOfDay } = found
  const histories = cameIn(frame, found, { isBegun })
  const calls = await readFeatureCalls(frame)
  const features = featuresOf(histories, options)
  return {
    columns: {
      ...cohortColumn(interval, cameThen),
      feature: ['Feature', 'string', 'the property "feature"'],
      barrier: [
        'Barrier',
        'string',
        `in calls of the feature: errors, retries (null where the ledger has no fingerprints) and rate_limits, of requests; negative_feedback, of feedback; slow_answers: users of whose answers 5 % took more than ${SLOW_MS / 1000} s`,
      ],
      stopped: ['Stopped', 'int', 'users who tried it and did not use it in two weeks of the last 28 days'],
      adopted: ['Adopted', 'int', 'users who did'],
      stopped_rate: ['Of stopped', 'rate', 'how much of what they did met the barrier'],
      adopted_rate: ['Of adopted', 'rate', 'the same of those who adopted it'],
      difference: [
        'Difference',
        'number',
        'stopped_rate - adopted_rate: above 0 those who stopped met more of it; an association, not a cause',
      ],
      difference_low: ['From', 'number', 'its 95 % interval; calls of one user go together, so users are what it counts'],
      difference_high: ['To', 'number', 'its upper end'],
    },
    rows: byCohort(histories, { interval, dayOf: beginDay }, (own) =>
      features.flatMap((feature) => {
        const tried = triers(own, feature, { asOfDay, week })
        const groupsOf = (adopted: boolean): Group[] =>
          tried.flatMap((one) => (one.adopted === adopted ? (calls.get(`${one.user} ${feature}`) ?? []) : []))
        const [stopped, adopted] = [groupsOf(false), groupsOf(true)]
        return Object.entries(barriers).map(([barrier, partsOf]) => {
          const [ofStopped, ofAdopted] = [stopped, adopted].map((groups) =>
            ratioOfSums(groups.map(partsOf).filter(({ whole }) => whole > 0)),
          )
          const difference = ofStopped && ofAdopted ? ofStopped.ratio - ofAdopted.ratio : null
          const half = ofStopped && ofAdopted ? normalQuantile(0.975) * Math.hypot(ofStopped.standardError, ofAdopted.standardError) : null
          return {
            feature,
            barrier,
            stopped: stopped.length,
            adopted: adopted.length,
            stopped_rate: ofStopped?.ratio ?? null,
            adopted_rate: ofAdopted?.ratio ?? null,
            difference,
            difference_low: difference === null || half === null ? null : difference - half,
            difference_high: difference === null || half === null ? null : difference + half,
          }
        })
      }),
    ),
  }
}

function rate({ n, successes }: { n: number; successes: number }): number | null {
  return n === 0 ? null : successes / n
}

/** By user id and feature. */
async function readFeatureCalls(frame: Frame): Promise<ReadonlyMap<string, Group>> {
  const scope = await scopeOf(frame, { fromMs: 0, toMs: frame.clock.asOfMs })
  const found = await readGroups(frame.store, scope, {
    dimensions: [USER, FEATURE],
    metrics: ['requests', 'errors', 'rate_limited_requests', 'latency_p95_ms', 'feedback_count', 'retries'],
  })
  return new Map(found.map(({ keys, labels, group }) => [`${String(keys[0])} ${String(labels[1])}`, group]))
}

/** When users first used a feature, and how many of them stayed. */
async function tellTiming({ frame, options, interval, isBegun }: PeopleAsked): Promise<Told> {
  const found = await readHistories(frame, { features: true })
  const { asOfDay } = found
  const histories = cameIn(frame, found, { isBegun })
  const features = featuresOf(histories, options)
  return {
    columns: {
      ...cohortColumn(interval, cameThen),
      feature: ['Feature', 'string', 'the property "feature"'],
      first_use: ['First use', 'string', "on which of the user's own days; later ones are in the week that tells who stayed, or after it"],
      users: ['Users', 'int', 'users first seen at least 28 days ago who first used it then'],
      retained: ['Retained', 'int', 'of them, those active in days 21 to 27'],
      retention: ['Retention', 'rate', 'retained / users; an association, not a cause', ['retained', 'users']],
      retention_low: ['From', 'rate', 'its 95 % interval (Wilson)'],
      retention_high: ['To', 'rate', 'its upper end'],
    },
    rows: byCohort(histories, { interval, dayOf: beginDay }, (own) =>
      features.flatMap((feature) =>
        introductionsOf(own, feature, asOfDay).map(({ from, to, users, retained }) => {
          const range = wilsonInterval({ successes: retained, n: users })
          return {
            feature,
            first_use: from === to ? `day ${from}` : `days ${from} to ${to}`,
            users,
            retained,
            retention: rate({ n: users, successes: retained }),
            retention_low: range?.[0] ?? null,
            retention_high: range?.[1] ?? null,
          }
        }),
      ),
    ),
  }
}
