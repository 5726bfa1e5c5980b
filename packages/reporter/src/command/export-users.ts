import type { Analytics, Answer, CallsQuery, Column, MetricName, Query, Row } from '@spanledger/analytics'

import { usageFailure } from './failure.ts'

/** Rows that come in steps, and the columns they all have. */
export interface SteppedRows {
  readonly columns: readonly Column[]
  readonly steps: AsyncIterable<readonly Row[]>
}

/** What is written of each user and day where nothing else is asked for. */
const usualMetrics: readonly MetricName[] = [
  'requests',
  'cost_usd',
  'unpriced_requests',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'total_tokens',
  'errors',
]

const timeDimension = /^time:(?:day|week|month)$/

/**
 * Every user by day, week or month, and by further dimensions: a bucket of time at a time, so that no more than the users of one are in
 * memory. Within a bucket in the order of users.
 * @throws CommandFailure where there is not exactly one dimension of time
 */
export async function usersByTime(
  analytics: Analytics,
  {
    by,
    metrics = usualMetrics,
    ...words
  }: CallsQuery & { readonly by: readonly string[]; readonly metrics?: readonly string[] | undefined },
): Promise<SteppedRows> {
  const [time, ...others] = [...by].sort((a, b) => Number(b.startsWith('time:')) - Number(a.startsWith('time:')))
  if (time === undefined || !timeDimension.test(time) || others.some((dimension) => dimension.startsWith('time:'))) {
    throw usageFailure(
      `--by ${JSON.stringify(by.join(','))}: users are written by one of time:day, time:week, time:month, and further dimensions.`,
    )
  }
  const dimensions = [time, 'user', ...others.filter((dimension) => dimension !== 'user')]
  const ask = async (period: Pick<Query, 'since' | 'until' | 'last'>): Promise<Answer> => {
    const order = [[time.slice('time:'.length), 'asc'] as const, ['user', 'asc'] as const]
    return analytics.query({ metrics, by: dimensions, where: words.where, ...period, order_by: order })
  }
  const { meta, rows } = await analytics.query({ metrics: ['requests'], by: [time], ...words })
  const periods = periodsOf(
    rows.map((row) => String(Object.values(row)[0])),
    meta,
  )
  const { since, until, last } = words
  const first = await ask(periods[0] ?? { since, until, last })
  return { columns: first.columns, steps: stepsOf(first, periods.slice(1), ask) }
}

async function* stepsOf(
  first: Answer,
  periods: readonly Pick<Query, 'since' | 'until'>[],
  ask: (period: Pick<Query, 'since' | 'until'>) => Promise<Answer>,
): AsyncGenerator<readonly Row[]> {
  yield first.rows
  for (const period of periods) yield (await ask(period)).rows
}

/** The parts of a period in which there are calls. The first and the last may begin and end within a day. */
function periodsOf(labels: readonly string[], { from, to }: Answer['meta']): Pick<Query, 'since' | 'until'>[] {
  // Of a month the label has no day.
  const starts = labels.map((label) => (label.length === '2026-01'.length ? `${label}-01` : label))
  return starts.map((start, n) => {
    const next = starts[n + 1]
    return { since: n === 0 ? from : start, until: next === undefined ? to : dayBefore(next) }
  })
}

function dayBefore(date: string): string {
  return new Date(Date.parse(date) - 86_400_000).toISOString().slice(0, 10)
}

/** Rows that are there already, in pieces that are written one after the other: one text for all of them could be too long. */
export async function* inPieces(rows: readonly Row[], size: number): AsyncGenerator<readonly Row[]> {
  for (let at = 0; at < rows.length; at += size) yield await Promise.resolve(rows.slice(at, at + size))
}
