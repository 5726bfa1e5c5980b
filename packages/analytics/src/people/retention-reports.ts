import { adoption } from '../retention/adoption.ts'
import { cohorts } from '../retention/cohorts.ts'
import { activationThresholds, retentionInsights } from '../retention/insights.ts'
import { timeToReach } from '../statistics/survival.ts'
import type { ColumnTable, PeopleAsked, Told } from './people-report.ts'
import { readExposures } from './read-exposures.ts'
import { readHistories } from './read-histories.ts'
import { choiceOf, weeksOf } from './report-options.ts'

const defaultWeeks = [1, 2, 4, 8, 12]

/** Users by when they were first seen, and which share of them was active in their week n. */
export async function tellCohorts({ frame, options, interval = 'month' }: PeopleAsked): Promise<Told> {
  const { histories, dayOf, asOfDay } = await readHistories(frame)
  const { fromMs, toMs } = frame.period
  const weeks = weeksOf(options) ?? defaultWeeks
  const rows = cohorts(histories, {
    by: interval,
    from: dayOf(fromMs),
    to: dayOf(Math.max(fromMs, toMs - 1)) + 1,
    asOfDay,
    weeks,
    mode: choiceOf(options, 'mode'),
    censoring: choiceOf(options, 'censoring'),
  })
  const weekColumns = weeks.map((week): [string, ColumnTable[string]] => [
    `w${week}`,
    [
      `Week ${week}`,
      'rate',
      `share that was active in its own days ${7 * (week - 1)} to ${7 * week - 1} since it was first seen; null while not known`,
    ],
  ])
  return {
    columns: {
      cohort: ['Cohort', 'date', 'users first seen in this local month (or day, or week by its Monday)'],
      size: ['Users', 'int', 'how many they are'],
      ...Object.fromEntries(weekColumns),
    },
    rows: rows.map(({ cohort, size, weeks: cells }) =>
      Object.fromEntries<string | number | null>([
        ['cohort', cohort],
        ['size', size],
        ...cells.map(({ week, share }) => [`w${week}`, share] as const),
      ]),
    ),
  }
}

/** What goes together with still being there in the fourth week. */
export async function tellRetentionInsights({ frame }: PeopleAsked): Promise<Told> {
  const { histories, asOfDay } = await readHistories(frame, { features: true })
  const rows = retentionInsights(histories, { asOfDay })
  return {
    columns: {
      factor: ['Feature', 'string', 'used in the first seven days of a user'],
      n: ['Users', 'int', 'users first seen at least 28 days ago'],
      retained_with: ['Retained with', 'rate', 'share active in days 21 to 27 of those who used it'],
      retained_without: ['Retained without', 'rate', 'the same of those who did not'],
      lift: ['Lift', 'number', 'retained_with / retained_without'],
      odds_ratio: ['Odds ratio', 'number', 'with half a user added to each of the four counts where one is 0'],
      ci_low: ['From', 'number', 'the 95 % interval of the odds ratio (Woolf)'],
      ci_high: ['To', 'number', 'its upper end'],
      p: ['p', 'number', "Fisher's exact test, two-sided"],
      q: ['q', 'number', 'false discovery rate over all features (Benjamini and Hochberg)'],
      information_bits: ['Bits', 'number', 'mutual information'],
      reads: ['Reads', 'string', 'whether this can be told from chance: an association, not a cause'],
    },
    rows: rows.map((row) => ({
      factor: row.factor,
      n: row.n,
      retained_with: row.retainedWith,
      retained_without: row.retainedWithout,
      lift: row.lift,
      odds_ratio: row.oddsRatioMended,
      ci_low: row.interval[0],
      ci_high: row.interval[1],
      p: row.p,
      q: row.q,
      information_bits: row.informationBits,
      reads: row.isDistinguishable
        ? `is associated with ${(row.lift ?? 1) >= 1 ? 'staying' : 'leaving'}`
        : 'not distinguishable from chance',
    })),
    warnings: ['associations are no causes: who uses more stays longer, and uses more of everything'],
  }
}

/** How much use in the first week tells who stays. */
export async function tellThresholds({ frame, options }: PeopleAsked): Promise<Told> {
  const count = choiceOf(options, 'count')
  const { histories, asOfDay } = await readHistories(frame, { features: count === 'features' })
  const rows = activationThresholds(histories, count, asOfDay)
  const n = rows[0]?.n ?? 0
  const best = rows.reduce((most, { phi }) => Math.max(most, phi ?? 0), 0)
  return {
    columns: {
      at_least: ['At least', 'int', `${count} in the first seven days of a user`],
      users: ['Users', 'int', 'users with at least so many'],
      n: ['Of', 'int', 'users first seen at least 28 days ago'],
      phi: ['Phi', 'number', 'how well it tells who is active in days 21 to 27: 0 not at all, 1 exactly (Matthews correlation)'],
      youden: ['Youden', 'number', 'sensitivity + specificity - 1'],
      is_best: ['Best', 'bool', 'the least with the greatest phi'],
    },
    rows: rows.map((row, at) => ({
      at_least: row.k,
      users: row.users,
      n: row.n,
      phi: row.phi,
      youden: row.youden,
      is_best: best > 0 && row.phi === best && rows.findIndex(({ phi }) => phi === best) === at,
    })),
    warnings: n < 100 ? [`only ${n} users have been seen for 28 days; a threshold takes at least 100 to mean something`] : [],
  }
}

/** How far users have come with each feature. */
export async function tellAdoption({ frame, options }: PeopleAsked): Promise<Told> {
  const { histories, asOfDay } = await readHistories(frame, { features: true })
  const exposures = await readExposures(frame)
  const used = new Set(histories.flatMap(({ days }) => days.flatMap(({ features }) => [...features.keys()])))
  if (histories.length > 0) for (const feature of exposures.keys()) used.add(feature)
  const features = options['feature'] === undefined ? [...used].sort() : [options['feature']]
  const rows = features.map((feature) => adoption(histories, feature, { asOfDay, exposed: exposures.get(feature) }))
  return {
    columns: {
      feature: ['Feature', 'string', 'the property "feature"'],
      aware: ['Aware', 'int', 'users who could know it: whom the app says it showed it to, and who used it; all, where it does not say'],
      aware_basis: ['Known how', 'string', 'explicit: the app said so; assumed: it did not, so all count'],
      tried: ['Tried', 'int', 'users with a call of the feature'],
      adopted: ['Adopted', 'int', 'users who used it in at least two of the weeks of the last 28 days'],
      power: ['Power', 'int', 'users who used it on at least ten of the last 28 days'],
      tried_rate: ['Tried %', 'rate', 'tried / aware'],
      adopted_rate: ['Adopted %', 'rate', 'adopted / tried'],
      days_to_half: [
        'Days to half',
        'int',
        'days after the first call by which half of the users had tried it (Kaplan and Meier); null where they have not',
      ],
    },
    rows: rows
      .toSorted((a, b) => b.tried - a.tried || (a.feature < b.feature ? -1 : 1))
      .map((row) => ({
        feature: row.feature,
        aware: row.aware,
        aware_basis: row.awareBasis,
        tried: row.tried,
        adopted: row.adopted,
        power: row.power,
        tried_rate: row.aware === 0 ? null : row.tried / row.aware,
        adopted_rate: row.tried === 0 ? null : row.adopted / row.tried,
        days_to_half: timeToReach(row.firstUse, 0.5),
      })),
  }
}
