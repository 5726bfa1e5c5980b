import { text as textOf } from 'node:stream/consumers'

import type { Query } from '@spanledger/analytics'
import type { Command } from 'commander'

import { addShowOptions, shownRows, writeAnswer, type ShowOptions } from './asking.ts'
import { usageFailure } from './failure.ts'
import { optionsOf, withLedger, type Globals } from './globals.ts'

export function addQuery(program: Command): void {
  const command = program
    .command('query')
    .description('answer a query as data')
    .argument('<json>', 'the query as JSON, or - to read it from stdin')
  addShowOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  spanledger query '{"metrics":["requests","cost_usd"],"by":["property:plan","time:day"],"last":"28d"}'
  spanledger query - --format csv < question.json
docs/reports.md lists metrics, dimensions and filters.`,
    )
    .action(async (text: string) => {
      const options = optionsOf<ShowOptions>(command)
      const query = parseJson(text === '-' ? await textOf(process.stdin) : text)
      await withLedger(options, async (reading) =>
        writeAnswer(reading, await reading.analytics.query(shownQuery(query, options)), {
          globals: options,
          options,
          ...(isLimited(query) ? {} : { readWhole: () => reading.analytics.query(query) }),
        }),
      )
    })
}

/** People are shown the first rows, and what all others are together. */
function shownQuery(query: Query, { format, explain, ci }: Globals & ShowOptions): Query {
  if (typeof query !== 'object' || query === null) return query
  const limit = shownRows(format)
  return {
    ...(limit === undefined ? {} : { limit, other: true }),
    ...query,
    ...(explain === true ? { explain } : {}),
    ...(ci === true ? { ci } : {}),
  }
}

function isLimited(query: Query): boolean {
  return typeof query !== 'object' || query === null || query.limit !== undefined
}

/** What is wrong inside the query is said by analytics. */
function parseJson(text: string): Query {
  try {
    return JSON.parse(text) as Query
  } catch (cause) {
    throw usageFailure(`The query is no JSON: ${(cause as Error).message}. Example: '{"metrics":["requests","cost_usd"],"by":["user"]}'`)
  }
}
