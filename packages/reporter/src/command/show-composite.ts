import { sectionNames, type CompositeName } from '@spanledger/analytics'

import { compositeNotes, formatComposite } from '../format/write-composite.ts'
import { reportOf } from '../format/write-answer.ts'
import { reportParams, type AskOptions } from './asking.ts'
import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import type { Globals, Reading } from './globals.ts'
import { preferredColumns } from './preferred-columns.ts'

/** Options that are about one table. */
const ofOneTable = ['columns', 'sort', 'having', 'after', 'metrics', 'compare', 'failOn'] as const

/** Writes all sections of a composite. */
export async function showComposite({ io, analytics }: Reading, name: CompositeName, options: Globals & AskOptions): Promise<void> {
  const { format } = options
  const asked = ofOneTable.find((option) => options[option] !== undefined)
  if (asked !== undefined) {
    const flag = asked === 'failOn' ? 'fail-on' : asked
    throw usageFailure(
      `--${flag} is about one table, and ${name} has several sections. Choose one with --section, or ask its report by itself.`,
    )
  }
  if (format === 'csv' || format === 'tsv') {
    throw usageFailure(
      `${format} holds one table, and ${name} has several. Choose one with --section: ${sectionNames(name).join(', ')}. Or take --format ndjson, json, md or html.`,
    )
  }
  const composite = await analytics.composite(name, reportParams(options))
  await io.out(
    formatComposite(composite, format, {
      decorated: io.decorated,
      header: options.header,
      ascii: options.ascii === true,
      preferred: ({ answer }) => preferredColumns(reportOf(answer), answer),
    }),
  )
  if (format === 'table' || format === 'ndjson' || format === 'json')
    for (const { section, note } of compositeNotes(composite)) io.say(`note: ${section === undefined ? '' : `${section}: `}${note}`)
  if (options.failEmpty === true && composite.meta.requests === 0) throw new CommandFailure(exitCodes.noData, 'No calls (--fail-empty).')
}
