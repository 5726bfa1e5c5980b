import {
  activationThresholds,
  bestThreshold,
  bestThresholdInterval,
  firstWeekCounts,
  MIN_SIDE,
  MIN_THRESHOLD_USERS,
  retentionInsights,
} from '../../retention/insights.ts'
import type { Association } from '../../retention/associations.ts'
import { churnIndicators } from '../../retention/churn.ts'
import { CHURN_WINDOW_DAYS, OBSERVED_DAYS, readChurnUsers } from './read-churn.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { ColumnTable, Told } from '../answers/told.ts'
import { readFirstWeekSessions } from './read-first-week-sessions.ts'
import { cameIn, readHistories } from '../histories/read-histories.ts'
import { choiceOf } from '../../report-options.ts'

const noCauses = 'associations are no causes: who uses more stays longer, and uses more of everything'

/** What goes together with still being there in the fourth week. */
export async function tellRetentionInsights({ frame, isBegun }: PeopleAsked): Promise<Told> {
  const found = await readHistories(frame, { features: true })
  const { asOfDay } = found
  const histories = cameIn(frame, found, { isBegun })
  return {
    columns: {
      factor: ['Feature', 'string', 'used in the first seven days of a user'],
      n: ['Users', 'int', 'users first seen at least 28 days ago, in the period where one is given'],
      retained_with: ['Retained with', 'rate', 'share active in days 21 to 27 of those who used it', ['outcome_with', 'with']],
      retained_without: ['Retained without', 'rate', 'the same of those who did not', ['outcome_without', 'without']],
      ...associationColumns('retained_with - retained_without', 'requests in the first week'),
    },
    rows: retentionInsights(histories, { asOfDay }).map((row) =>
      rowOf(row, {
        shares: { retained_with: row.shareWith, retained_without: row.shareWithout },
        reads: row.isDistinguishable
          ? `is associated with ${(row.difference ?? 0) >= 0 ? 'staying' : 'leaving'}`
          : 'not distinguishable from chance',
      }),
    ),
    warnings: [noCauses],
  }
}

/** What users met before they left. */
export async function tellChurnIndicators({ frame }: PeopleAsked): Promise<Told> {
  const rows = churnIndicators(await readChurnUsers(frame))
  return {
    columns: {
      factor: [
        'Indicator',
        'string',
        `of the ${OBSERVED_DAYS} days before the last ${CHURN_WINDOW_DAYS}: above the median of those users in error_rate, retry_rate (where the ledger has fingerprints), latency_p95 or requests (few_requests, few_sessions: below it), any call rate limited, any negative feedback, one feature only`,
      ],
      n: ['Users', 'int', `users active in those ${OBSERVED_DAYS} days`],
      churned_with: [
        'Churned with',
        'rate',
        `share of those it holds for without a call in the last ${CHURN_WINDOW_DAYS} days`,
        ['outcome_with', 'with'],
      ],
      churned_without: ['Churned without', 'rate', 'the same of the others', ['outcome_without', 'without']],
      ...associationColumns('churned_with - churned_without', 'requests in those days'),
    },
    rows: rows.map((row) =>
      rowOf(row, {
        shares: { churned_with: row.shareWith, churned_without: row.shareWithout },
        reads: row.isDistinguishable
          ? `odds of leaving ${times(row.oddsRatioMended)} (${times(row.interval[0])} to ${times(row.interval[1])}) those of the others: an association, not a cause`
          : 'not distinguishable from chance',
      }),
    ),
    warnings: [noCauses],
  }
}

function times(ratio: number): string {
  if (ratio >= 1000) return 'more than 1000x'
  if (ratio < 0.001) return 'less than 0.001x'
  return `${Number(ratio.toPrecision(2))}x`
}

function associationColumns(difference: string, activity: string): ColumnTable {
  return {
    difference: ['Difference', 'number', difference],
    difference_low: ['From', 'number', 'the 95 % interval of the difference (Newcombe)'],
    difference_high: ['To', 'number', 'its upper end'],
    lift: ['Lift', 'number', 'the first share / the second'],
    odds_ratio: [
      'Odds ratio',
      'number',
      'with half a user added to each of the four counts where one is 0; null where there is nobody to compare with',
    ],
    ci_low: ['From', 'number', 'the 95 % interval of the odds ratio (Woolf)'],
    ci_high: ['To', 'number', 'its upper end'],
    odds_ratio_adjusted: ['Adjusted', 'number', `the odds ratio common to the thirds of users by ${activity} (Mantel and Haenszel)`],
    p: ['p', 'number', "Fisher's exact test, two-sided"],
    q: ['q', 'number', 'false discovery rate over all rows (Benjamini and Hochberg)'],
    information_bits: ['Bits', 'number', 'mutual information'],
    reads: ['Reads', 'string', 'whether this can be told from chance: an association, not a cause'],
  }
}

function rowOf(
  row: Association,
  { shares, reads }: { shares: Readonly<Record<string, number | null>>; reads: string },
): Record<string, string | number | null> {
  // Of a factor that all have, or nobody, half users alone would make the odds.
  const isCompared = row.shareWith !== null && row.shareWithout !== null
  return {
    factor: row.factor,
    n: row.n,
    ...shares,
    outcome_with: row.table.a,
    with: row.table.a + row.table.b,
    outcome_without: row.table.c,
    without: row.table.c + row.table.d,
    difference: row.difference,
    difference_low: row.differenceInterval?.[0] ?? null,
    difference_high: row.differenceInterval?.[1] ?? null,
    lift: row.lift,
    odds_ratio: isCompared ? row.oddsRatioMended : null,
    ci_low: isCompared ? row.interval[0] : null,
    ci_high: isCompared ? row.interval[1] : null,
    odds_ratio_adjusted: row.oddsRatioAdjusted,
    p: row.p,
    q: row.q,
    information_bits: row.informationBits,
    reads,
  }
}

const countSays = {
  requests: 'requests',
  active_days: 'active days',
  features: 'different features',
  sessions: 'sessions that began',
  multi_turn: 'sessions of at least two messages that began',
} as const

/** How much use in the first week tells who stays. */
export async function tellThresholds({ frame, options, isBegun }: PeopleAsked): Promise<Told> {
  const counted = choiceOf(options, 'count')
  const found = await readHistories(frame, { features: counted === 'features' })
  const { asOfDay } = found
  const histories = cameIn(frame, found, { isBegun })
  const count =
    counted === 'sessions' || counted === 'multi_turn' ? await readFirstWeekSessions(frame, found, counted) : firstWeekCounts[counted]
  const rows = activationThresholds(histories, count, asOfDay)
  const n = rows[0]?.n ?? 0
  const best = bestThreshold(rows)
  const interval = bestThresholdInterval(histories, count, asOfDay)
  const told =
    interval === undefined
      ? []
      : [
          `of resamples of the users 95 % have their best threshold from ${interval[0]} to ${interval[1]}; it is the best of many, so it tells the next users less well`,
        ]
  return {
    columns: {
      at_least: ['At least', 'int', `${countSays[counted]} in the first seven days of a user`],
      users: ['Users', 'int', 'users with at least so many'],
      n: ['Of', 'int', 'users first seen at least 28 days ago, in the period where one is given'],
      phi: ['Phi', 'number', 'how well it tells who is active in days 21 to 27: 0 not at all, 1 exactly (Matthews correlation)'],
      youden: ['Youden', 'number', 'sensitivity + specificity - 1'],
      is_best: [
        'Best',
        'bool',
        `the least with the greatest phi, of those with at least ${MIN_SIDE} users on either side, where there are ${MIN_THRESHOLD_USERS} users`,
      ],
    },
    rows: rows.map((row) => ({
      at_least: row.k,
      users: row.users,
      n: row.n,
      phi: row.phi,
      youden: row.youden,
      is_best: row.k === best?.k,
    })),
    warnings:
      n < MIN_THRESHOLD_USERS
        ? [`only ${n} users have been seen for 28 days; a best threshold takes at least ${MIN_THRESHOLD_USERS}`]
        : best === undefined
          ? [`no threshold with at least ${MIN_SIDE} users on either side tells who stays`]
          : told,
  }
}
