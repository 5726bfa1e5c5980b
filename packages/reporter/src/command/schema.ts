import {
  columnDimensions,
  metricNames,
  metricTable,
  numberFields,
  otherDimensions,
  reportList,
  reportOptions,
  segments,
  type Column,
  type Row,
} from '@spanledger/analytics'
import { Argument, type Command } from 'commander'

import { formatSheet } from '../format/write-answer.ts'
import { optionsOf, withIo } from './globals.ts'

const kinds = ['reports', 'options', 'metrics', 'dimensions', 'numbers', 'segments'] as const
type Kind = (typeof kinds)[number]

/** What a question may be made of, as rows of kind, name, type and what it says. */
export function addSchema(program: Command): void {
  const command = program
    .command('schema')
    .description('list what questions are made of: reports and their options, metrics, dimensions, numbers that filters compare, segments')
    .addArgument(new Argument('[kind]', 'only these').choices(kinds))
    .addHelpText(
      'after',
      `
Examples:
  spanledger schema metrics
  spanledger schema --format json`,
    )
    .action(async (kind: Kind | undefined) => {
      const { format, header, ...options } = optionsOf(command)
      await withIo({ format, header, ...options }, async (io) => {
        const rows = kinds.filter((one) => kind === undefined || one === kind).flatMap((one) => schemaRows[one]())
        if (format === 'json') await io.out(`${JSON.stringify({ schema: 'schema/v1', columns, rows })}\n`)
        else
          await io.out(
            formatSheet({ title: 'Schema', columns, rows, notes: [] }, format, { decorated: io.decorated, header, maxText: 120 }),
          )
      })
    })
}

const columns: readonly Column[] = [
  { key: 'kind', type: 'string', label: 'Kind' },
  { key: 'name', type: 'string', label: 'Name' },
  { key: 'type', type: 'string', label: 'Type' },
  { key: 'says', type: 'string', label: 'Is' },
]

const schemaRows: Readonly<Record<Kind, () => readonly Row[]>> = {
  reports: () => reportList.map(({ name, about, says }) => ({ kind: 'report', name, type: about, says })),
  options: () =>
    Object.entries(reportOptions).map(([name, { says, ...option }]) => ({
      kind: 'option',
      name,
      type: 'values' in option ? option.values.join(' | ') : 'text',
      says,
    })),
  metrics: () =>
    metricNames.map((name) => {
      const { type, says, share } = metricTable[name]
      const parts = share === undefined ? '' : `; ${name}_numerator, _denominator, _low and _high are what it divides and its 95 % interval`
      return { kind: 'metric', name, type, says: `${says}${parts}` }
    }),
  dimensions: () => [
    ...Object.entries(columnDimensions).map(([name, { says }]) => ({ kind: 'dimension', name, type: 'string', says })),
    ...Object.entries(otherDimensions).map(([name, says]) => ({
      kind: 'dimension',
      name,
      type: name.startsWith('time:') ? 'date' : 'string',
      says,
    })),
  ],
  numbers: () =>
    Object.keys(numberFields).map((name) => ({
      kind: 'number',
      name,
      type: name === 'cost_usd' ? 'usd' : name.endsWith('_ms') ? 'ms' : 'int',
      says: 'of one call, in filters',
    })),
  segments: () => segments.map((name) => ({ kind: 'segment', name, type: 'automatic', says: 'docs/reports.md says who is in it' })),
}
