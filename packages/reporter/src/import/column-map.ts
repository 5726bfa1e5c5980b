import { readFileSync } from 'node:fs'

import { canonicalPropertyKey } from '@spanledger/conventions'

import { usageFailure } from '../command/failure.ts'
import type { CsvColumns } from './fields.ts'

/** What a column can be, and what it means. */
export const targets = {
  time: 'when the call started',
  end: 'when it ended',
  latency_ms: 'how long it took, in milliseconds',
  latency_s: 'how long it took, in seconds',
  ttft_ms: 'time to the first token, in milliseconds',
  ttft_s: 'time to the first token, in seconds',
  id: 'what identifies the row; importing it again changes nothing',
  response_id: "the provider's id of the answer; several rows of one answer count once",
  trace_id: 'trace of the span; with span_id the same call by OTLP counts once',
  span_id: 'span of the call',
  parent_span_id: 'the span above it',
  user: 'whose call it was',
  session: 'its session',
  provider: 'openai, anthropic, …; or --provider for all rows',
  model: 'what answered',
  requested_model: 'what was asked for',
  operation: 'chat, embeddings, …',
  input: 'input tokens; see --input-includes-cache',
  cache_read: 'input tokens read from a cache',
  cache_write: 'input tokens written to a cache',
  cache_write_5m: 'of these, written for five minutes',
  cache_write_1h: 'of these, written for an hour',
  output: 'output tokens; see --output-includes-reasoning',
  reasoning: 'reasoning tokens',
  total: 'all tokens; only to tell what input and output include',
  audio_input: 'input tokens that are audio',
  audio_output: 'output tokens that are audio',
  image_input: 'input tokens that are images',
  image_output: 'output tokens that are images',
  web_searches: 'searches that the provider ran',
  cost: 'what somebody else says it cost, in USD; kept beside the cost that is computed',
  status: 'an HTTP status, or a word: ok, success, error, failed, cancelled, …',
  error: 'the kind of error; a row that has one and no status failed',
  finish_reason: 'why the answer ended',
  service_tier: 'batch, flex, priority, …',
  streamed: 'whether the answer was streamed: true, false',
} as const satisfies Record<string, string>

export type Target = keyof typeof targets

/** Which column is what. */
export interface ColumnMap {
  readonly columns: ReadonlyMap<Target, string>
  readonly properties: readonly { readonly name: string; readonly column: string }[]
}

const PROPERTY = 'property:'

/**
 * The map that `--columns` or the file of `--map` gives.
 * @throws CommandFailure for a target that is unknown or given twice
 */
export function readColumnMap({ columns, map }: { columns?: string | undefined; map?: string | undefined }): ColumnMap {
  if ((columns === undefined) === (map === undefined)) {
    throw usageFailure(`Say which column is what, with either --columns 'time=created_at,user=customer,…' or --map FILE.`)
  }
  return toColumnMap(columns === undefined ? pairsInFile(map ?? '') : pairsInText(columns))
}

function pairsInText(text: string): [target: string, column: string][] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [target = '', ...column] = part.split('=')
      if (column.length === 0 || column.join('').trim() === '') {
        throw usageFailure(
          `--columns ${JSON.stringify(part)}: write TARGET=COLUMN, such as user=customer. A column with a comma in its name needs --map.`,
        )
      }
      return [target.trim(), column.join('=').trim()]
    })
}

function pairsInFile(path: string): [target: string, column: string][] {
  let read: unknown
  try {
    read = JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw usageFailure(`--map ${JSON.stringify(path)} cannot be read as JSON: ${(cause as Error).message}.`, { cause })
  }
  if (
    typeof read !== 'object' ||
    read === null ||
    Array.isArray(read) ||
    !Object.values(read).every((column) => typeof column === 'string')
  ) {
    throw usageFailure(`--map ${JSON.stringify(path)}: write an object of texts, {"time": "created_at", "property:plan": "Plan"}.`)
  }
  return Object.entries(read as Record<string, string>).map(([target, column]) => [target, column.trim()])
}

function toColumnMap(pairs: readonly (readonly [target: string, column: string])[]): ColumnMap {
  const columns = new Map<Target, string>()
  const properties = new Map<string, { name: string; column: string }>()
  for (const [target, column] of pairs) {
    if (target.startsWith(PROPERTY)) {
      const name = target.slice(PROPERTY.length)
      const key = canonicalPropertyKey(name)
      if (key === undefined) throw usageFailure(`${JSON.stringify(name)} cannot be the name of a property.`)
      if (properties.has(key)) throw usageFailure(`${JSON.stringify(target)} is given twice.`)
      properties.set(key, { name, column })
    } else if (!isTarget(target)) {
      throw usageFailure(`Unknown target ${JSON.stringify(target)}. Allowed: ${Object.keys(targets).join(', ')}, property:KEY.`)
    } else if (columns.has(target)) throw usageFailure(`${JSON.stringify(target)} is given twice.`)
    else columns.set(target, column)
  }
  if (!columns.has('time')) throw usageFailure('Say which column is the time: time=COLUMN.')
  return { columns, properties: [...properties.values()] }
}

function isTarget(name: string): name is Target {
  return Object.hasOwn(targets, name)
}

/**
 * Checks that a file has the columns of a map, each once.
 * @throws CommandFailure that names the columns that are there
 */
export function checkColumns(map: ColumnMap, header: CsvColumns, path: string): void {
  for (const column of mappedColumns(map)) {
    if (!header.positions.has(column)) {
      throw usageFailure(
        `${JSON.stringify(path)} has no column ${JSON.stringify(column)}. It has: ${header.names
          .slice(0, 100)
          .map((name) => JSON.stringify(name))
          .join(', ')}.`,
      )
    }
    if (header.repeated.includes(column))
      throw usageFailure(`${JSON.stringify(path)} has two columns ${JSON.stringify(column)}: rename one of them.`)
  }
}

export function mappedColumns({ columns, properties }: ColumnMap): string[] {
  return [...columns.values(), ...properties.map(({ column }) => column)]
}
