import { COMPLEX, MODERATE } from '../../behavior/complexity.ts'
import { columnKey, NONE } from '../../query/dimensions.ts'
import type { Durations } from '../../sums/durations.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readPatterns, type Patterns } from './read-patterns.ts'

/** How users ask: how often, how large and complex their requests are, how loyal they are to a model. */
export async function tellPatterns({ frame, property, week }: PeopleAsked): Promise<Told> {
  const patterns = await readPatterns(frame, property, week)
  return {
    columns: {
      ...(property !== undefined && { [columnKey(property)]: [columnKey(property), 'string', 'the value that the row is about'] as const }),
      ...columns,
    },
    rows: patterns.map((one) =>
      property === undefined ? cellsOf(one) : { [columnKey(property)]: String(one.label ?? NONE), ...cellsOf(one) },
    ),
    warnings: patterns.length === 0 ? [] : ['quantiles are within 1.1 %; complexity is a heuristic from tokens alone'],
  }
}

const columns = {
  requests: ['Requests', 'int', 'calls, those without a user too'],
  users: ['Users', 'int', 'different users'],
  per_day_p10: ['A day p10', 'number', 'requests of a user on a day on which the user called: a tenth of these days had at most so many'],
  per_day_p50: ['A day p50', 'number', 'the same for half of them'],
  per_day_p90: ['A day p90', 'number', 'the same for 90 %'],
  per_day_p99: ['A day p99', 'number', 'the same for 99 %'],
  per_week_p10: [
    'A week p10',
    'number',
    'requests of a user in a week in which the user called: a tenth of these weeks had at most so many',
  ],
  per_week_p50: ['A week p50', 'number', 'the same for half of them'],
  per_week_p90: ['A week p90', 'number', 'the same for 90 %'],
  per_week_p99: ['A week p99', 'number', 'the same for 99 %'],
  gap_p50_s: [
    'Pause p50',
    's',
    'median from the end of a call to the start of the next in the same session: with the same session id less than a day later, without one less than 30 minutes',
  ],
  input_tokens_p50: ['Input p50', 'number', 'median of all input tokens of a request, cached ones too, of requests that reported tokens'],
  input_tokens_p90: ['Input p90', 'number', 'the same for 90 % of them'],
  output_tokens_p50: ['Output p50', 'number', 'median of visible output'],
  output_tokens_p90: ['Output p90', 'number', 'the same for 90 %'],
  reasoning_tokens_p50: ['Reasoning p50', 'number', 'median of reasoning'],
  reasoning_tokens_p90: ['Reasoning p90', 'number', 'the same for 90 %'],
  reasoning_share: ['Reasoning %', 'rate', 'reasoning tokens / output tokens, reasoning included'],
  complexity: [
    'Complexity',
    'number',
    'mean of an index from 0 to 100: 40 % input up to 32,000 tokens, 30 % output up to 8,000, 30 % reasoning up to 16,000, each on a logarithmic scale',
  ],
  simple_share: ['Simple %', 'rate', `share of requests with an index below ${MODERATE}`, ['simple', 'sized']],
  moderate_share: ['Moderate %', 'rate', `from ${MODERATE} to below ${COMPLEX}`, ['moderate', 'sized']],
  complex_share: ['Complex %', 'rate', `from ${COMPLEX} on`, ['complex', 'sized']],
  top_model_share: [
    'Top model %',
    'rate',
    'share of requests that went to the model a user asks most: the mean over users with at least five requests',
  ],
  model_concentration: [
    'Concentration',
    'number',
    'sum of the squared shares of models of a user (HHI), the mean over the same users: 1 is one model only',
  ],
  model_switch_rate: ['Switches', 'rate', 'share of requests that ask another model than the one before, the mean over the same users'],
  sticky_users_share: [
    'Sticky %',
    'rate',
    'share of these users who ask one model in at least 80 % of their requests',
    ['sticky', 'loyal'],
  ],
} as const satisfies Told['columns']

function cellsOf({
  requests,
  users,
  sized,
  perDay,
  perWeek,
  gaps,
  input,
  output,
  reasoning,
  loyal,
}: Patterns): Record<string, number | null> {
  const ofSized = (part: number): number | null => (sized.n === 0 ? null : part / sized.n)
  const tokens = sized.output + sized.reasoning
  const gap = quantile(gaps, 0.5)
  const moderate = sized.n - sized.simple - sized.complex
  return {
    requests,
    users,
    per_day_p10: quantile(perDay, 0.1),
    per_day_p50: quantile(perDay, 0.5),
    per_day_p90: quantile(perDay, 0.9),
    per_day_p99: quantile(perDay, 0.99),
    per_week_p10: quantile(perWeek, 0.1),
    per_week_p50: quantile(perWeek, 0.5),
    per_week_p90: quantile(perWeek, 0.9),
    per_week_p99: quantile(perWeek, 0.99),
    gap_p50_s: gap === null ? null : gap / 1000,
    input_tokens_p50: quantile(input, 0.5),
    input_tokens_p90: quantile(input, 0.9),
    output_tokens_p50: quantile(output, 0.5),
    output_tokens_p90: quantile(output, 0.9),
    reasoning_tokens_p50: quantile(reasoning, 0.5),
    reasoning_tokens_p90: quantile(reasoning, 0.9),
    reasoning_share: tokens === 0 ? null : sized.reasoning / tokens,
    complexity: rounded(ofSized(sized.complexity)),
    simple_share: ofSized(sized.simple),
    moderate_share: ofSized(moderate),
    complex_share: ofSized(sized.complex),
    top_model_share: rounded(loyal?.topShare ?? null),
    model_concentration: rounded(loyal?.concentration ?? null),
    model_switch_rate: rounded(loyal?.switchRate ?? null),
    sticky_users_share: loyal === undefined ? null : loyal.sticky / loyal.users,
    sized: sized.n,
    simple: sized.simple,
    moderate,
    complex: sized.complex,
    sticky: loyal?.sticky ?? null,
    loyal: loyal?.users ?? null,
  }
}

/** Of whole numbers: buckets are as wide as 2 % of them, so small ones are exact. */
function quantile(counted: Durations, q: number): number | null {
  const value = counted.quantile(q)
  return value === undefined ? null : Math.round(value)
}

/** Which is added first is not the same in every ledger; the last bits of a double would tell. */
function rounded(mean: number | null): number | null {
  return mean === null ? null : Math.round(mean * 1e9) / 1e9
}
