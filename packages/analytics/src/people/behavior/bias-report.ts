import { findGaps, measureNames, measures, MIN_TESTED, type BiasCell, type JudgedGap } from '../../behavior/bias.ts'
import { columnKey } from '../../query/dimensions.ts'
import { QueryError } from '../../query/query-error.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readBias } from './read-bias.ts'

/** More values of a property than this are nothing that users are told apart by. */
const MAX_GROUPS = 100

/** Whether some groups of users fare worse than others: each value of a property against all other users. */
export async function tellBias({ frame, property }: PeopleAsked): Promise<Told> {
  if (property === undefined) {
    throw new QueryError('The bias report needs --by property:KEY (or trait:KEY, segment), e.g. --by property:plan.', { given: '' })
  }
  const cells = await readBias(frame, property)
  const sizes = groupSizes(cells)
  const groups = [...sizes].toSorted(([a, usersA], [b, usersB]) => usersB - usersA || (a < b ? -1 : 1)).map(([group]) => group)
  const gaps = findGaps(cells, groups.slice(0, MAX_GROUPS))
  const name = columnKey(property)
  return {
    columns,
    rows: gaps
      .filter(({ n }) => n > 0)
      .toSorted(byWeight)
      .map((gap) => rowOf(gap, name)),
    warnings: [
      'a difference is an association, not a cause; groups may differ in what they ask for in ways that no model or feature shows',
      ...(groups.length > MAX_GROUPS
        ? [`"${name}" has ${groups.length} values; the ${MAX_GROUPS} with most users are told, all others count among "the rest"`]
        : []),
    ],
  }
}

function groupSizes(cells: readonly BiasCell[]): Map<string, number> {
  const users = new Map<string, Set<number>>()
  for (const { group, user } of cells) {
    const known = users.get(group)
    if (known === undefined) users.set(group, new Set([user]))
    else known.add(user)
  }
  return new Map([...users].map(([group, { size }]) => [group, size]))
}

/** What is flagged first; then as the measures and groups stand. */
function byWeight(a: JudgedGap, b: JudgedGap): number {
  const order = ['adverse', 'favoured', 'none', 'too_few']
  return (
    order.indexOf(a.verdict) - order.indexOf(b.verdict) ||
    measureNames.indexOf(a.measure) - measureNames.indexOf(b.measure) ||
    b.users - a.users ||
    (a.group < b.group ? -1 : 1)
  )
}

const columns = {
  group: ['Group', 'string', 'the value of the property; (none) for users without one'],
  measure: [
    'Measure',
    'string',
    'error_rate, refusal_rate (content filters and refusals), rate_limit_rate: of requests; goal_success: of goals told; satisfaction: 0 to 10; latency_ms: of calls that went well; ttft_ms: to the first token, of those of them that report it',
  ],
  flag: [
    'Flag',
    'string',
    `adverse or favoured: q < 0.05, at least 30 users on either side, and material: 1.25 times as much of what is bad, less than four fifths of what is good, or the other way about; too_few: fewer than ${MIN_TESTED} users on a side, not tested; none`,
  ],
  users: ['Users', 'int', 'users of the group with anything of the measure'],
  n: ['n', 'int', 'their requests, goals, ratings or calls that went well'],
  value: [
    'Value',
    'number',
    'of the group; satisfaction is the mean over users of the mean of each, latency_ms and ttft_ms the geometric mean likewise',
  ],
  rest_value: ['The rest', 'number', 'of all users with another value'],
  ratio: ['Ratio', 'number', 'value / rest_value'],
  ci_low: ['From', 'number', '95 % interval of the ratio, of rates by Fieller; null where the rest cannot be told from 0'],
  ci_high: ['To', 'number', 'its upper end'],
  p: ['p', 'number', 'the probability of so great a difference by chance, with the user as the unit'],
  q: ['q', 'number', 'false discovery rate over all rows that are tested (Benjamini and Hochberg)'],
  mix_explains: [
    'Mix explains',
    // No rate: it may leave 0 to 1.
    'number',
    'share of the difference that comes from the group using other models and features (Kitagawa): 1 is all of it; below 0 where it hides some, above 1 where the group fares better within the same; null for goals and satisfaction',
  ],
  adjusted_ratio: ['Adjusted ratio', 'number', 'the ratio within the same model and feature (Mantel and Haenszel); rates of requests only'],
  reads: ['Reads', 'string', 'the row in words'],
} as const satisfies Told['columns']

function rowOf(gap: JudgedGap, name: string) {
  return {
    group: gap.group,
    measure: gap.measure,
    flag: gap.verdict,
    users: gap.users,
    n: gap.n,
    value: gap.value,
    rest_value: gap.restValue,
    ratio: gap.ratio,
    ci_low: gap.interval?.[0] ?? null,
    ci_high: gap.interval?.[1] ?? null,
    p: gap.p,
    q: gap.q,
    mix_explains: gap.mixShare,
    adjusted_ratio: gap.adjustedRatio,
    reads: inWords(gap, name),
  }
}

function inWords({ group, measure, verdict, value, restValue, ratio, mixShare }: JudgedGap, name: string): string {
  if (verdict === 'too_few') return 'too few users to tell'
  if (verdict === 'none') return 'no difference that is both beyond chance and material'
  const [more, less] = measures[measure].words
  const times = ratio === null ? '' : ` (${ratio.toFixed(2)} times the rest)`
  const mix = mixShare === null ? '' : `; difference in mix explains ${Math.round(mixShare * 100)} %`
  return `${name} ${group} is associated with ${(value ?? 0) > (restValue ?? 0) ? more : less}${times}${mix}`
}
