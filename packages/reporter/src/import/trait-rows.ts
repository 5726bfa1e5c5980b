import type { Trait } from '@spanledger/store'

import { CommandFailure, exitCodes } from '../command/failure.ts'
import { csvHeader } from './csv-file.ts'
import type { Fields } from './fields.ts'
import { bytesOf, openFile } from './open-file.ts'
import { rawRecords } from './raw-records.ts'
import { readCsvRecords } from './read-record.ts'
import { readTime, type LocalTimes } from './read-time.ts'
import { isRefusal } from './refusal.ts'

/** Names of the column with the user, and of the one that says from when on a row holds; the first that is there. */
const userColumns: readonly string[] = ['user', 'user_id', 'user.id', 'id']
const validFromColumns: readonly string[] = ['valid_from', 'since', 'from']

/** Some rows of a table of traits, and the lines that could not be read. */
export interface TraitRows {
  readonly traits: readonly Trait[]
  readonly refused: readonly { readonly line: number; readonly detail: string }[]
}

/**
 * Reads a CSV file with a row a user: its id, a column a trait, and, where it says so, from when on the row holds. Empty
 * cells say nothing. In steps, so that a file of any size is read in constant memory.
 * @throws CommandFailure for a file that cannot be read, or whose header names no user
 */
export async function* traitRows(path: string, zone: LocalTimes): AsyncGenerator<TraitRows> {
  const file = await openFile(path)
  const header = await csvHeader(file, ',')
  if (header === undefined) return
  const names = header.columns.names
  const userColumn = columnAmong(names, userColumns)
  if (userColumn === undefined) {
    throw new CommandFailure(
      exitCodes.usage,
      `The header of ${JSON.stringify(path)} names no user: it is ${names.join(', ')}. One column must be called ${userColumns.join(', ')}.`,
    )
  }
  const fromColumn = columnAmong(names, validFromColumns)
  const traitNames = names.filter((name) => name !== userColumn && name !== fromColumn && name !== '')
  const read = readCsvRecords(header.columns, ',')
  const pieces = bytesOf(file, { from: header.start.offset })
  for await (const records of rawRecords(pieces, { framing: 'csv', delimiter: ',' }, header.start)) {
    const traits: Trait[] = []
    const refused: { line: number; detail: string }[] = []
    for (const [n, row] of read(records).entries()) {
      const line = records[n]?.line ?? 0
      const found = isRefusal(row) ? row.detail : traitsOf(row, { userColumn, fromColumn, traitNames, zone })
      if (typeof found === 'string') refused.push({ line, detail: found })
      else traits.push(...found)
    }
    yield { traits, refused }
  }
}

function columnAmong(names: readonly string[], wanted: readonly string[]): string | undefined {
  return wanted.flatMap((name) => names.filter((column) => column.toLowerCase() === name))[0]
}

interface RowRules {
  readonly userColumn: string
  readonly fromColumn: string | undefined
  readonly traitNames: readonly string[]
  readonly zone: LocalTimes
}

/** The traits of a row, or why it has none. */
function traitsOf(row: Fields, { userColumn, fromColumn, traitNames, zone }: RowRules): Trait[] | string {
  const user = row.get(userColumn)
  if (typeof user !== 'string') return 'no user'
  const from = fromColumn === undefined ? undefined : row.get(fromColumn)
  const validFromMs = from === undefined ? undefined : readTime(from, { format: 'auto', zone })
  if (from !== undefined && validFromMs === undefined) return `${JSON.stringify(from)} is no date or instant`
  return traitNames.flatMap((name) => {
    const value = row.get(name)
    return value === undefined ? [] : [{ user, name, value: String(value), validFromMs }]
  })
}
