import { canonicalProvider } from '@spanledger/conventions'
import { openPriceBook } from '@spanledger/pricing'
import { openStore } from '@spanledger/store'
import { Option, type Command } from 'commander'

import { mappedColumns, readColumnMap, targets } from '../import/column-map.ts'
import { importFiles } from '../import/import-files.ts'
import type { Source } from '../import/import-file.ts'
import { openFile, type ImportFile } from '../import/open-file.ts'
import { localTimes, timeFormats, type TimeFormat } from '../import/read-time.ts'
import { csvSource, heliconeSource, langfuseSource, spansSource, type ZoneOfTimes } from '../import/sources.ts'
import { dryRun } from './dry-run.ts'
import { usageFailure } from './failure.ts'
import { checkStorePath, optionsOf, withIo, type Globals } from './globals.ts'
import { checkAnythingRead, writeSummary } from './import-summary.ts'

interface ImportOptions {
  readonly dryRun?: boolean
  readonly restart?: boolean
  readonly rejects?: string
  readonly prices?: string
}

interface CsvOptions extends ImportOptions {
  readonly columns?: string
  readonly map?: string
  readonly delimiter: string
  readonly provider?: string
  readonly timeFormat: TimeFormat
  readonly inputIncludesCache?: 'yes' | 'no'
  readonly outputIncludesReasoning?: 'yes' | 'no'
}

const inAll = `
Importing again changes nothing. An import that is interrupted goes on where it was with the same command. Times that say no
offset are of --tz, else UTC. Packed files (.gz) are unpacked.`

export function addImport(program: Command): void {
  const group = program.command('import').description('bring in calls from elsewhere')
  addHelicone(group)
  addLangfuse(group)
  addSpans(group)
  addCsv(group)
}

function addHelicone(group: Command): void {
  const command = group.command('helicone').description("requests as Helicone's export writes them: JSON lines, a JSON array, or CSV")
  addImportOptions(command)
    .addHelpText('after', `${inAll}\n\nExample:\n  spanledger import helicone helicone-export.jsonl`)
    .action(async (paths: string[]) => {
      const options = optionsOf<ImportOptions>(command)
      const times = timesOf(options)
      await runImport('helicone', options, { paths, open: (file) => heliconeSource(file, times) })
    })
}

function addLangfuse(group: Command): void {
  const command = group
    .command('langfuse')
    .description('observations of Langfuse, or traces with theirs: JSON lines, a JSON array, answers of its API, or CSV')
  addImportOptions(command)
    .addHelpText('after', `${inAll}\n\nExample:\n  spanledger import langfuse observations.jsonl.gz`)
    .action(async (paths: string[]) => {
      const options = optionsOf<ImportOptions>(command)
      const times = timesOf(options)
      await runImport('langfuse', options, { paths, open: (file) => langfuseSource(file, times) })
    })
}

function addSpans(group: Command): void {
  const command = group
    .command('spans')
    .description("OTLP's JSON, a request with spans or log records a line, as the Collector's file exporter writes it")
  addImportOptions(command)
    .addHelpText('after', `${inAll}\n\nExample:\n  spanledger import spans traces.json logs.json.gz`)
    .action(async (paths: string[]) => {
      await runImport('spans', optionsOf<ImportOptions>(command), { paths, open: (file) => Promise.resolve(spansSource(file)) })
    })
}

function addCsv(group: Command): void {
  const command = group.command('csv').description('rows of any table, with a map of its columns')
  addImportOptions(command)
    .option('--columns <list>', "which column is what: 'time=created_at,user=customer,model=model,input=prompt_tokens'")
    .option('--map <file>', 'the same as JSON: {"time": "created_at", "property:plan": "Plan, current"}')
    .option('--delimiter <char>', 'what separates two cells; "tab" for a tab', ',')
    .option('--provider <id>', 'the provider of rows that name none: openai, anthropic, …')
    .addOption(new Option('--time-format <format>', 'how times are written').choices(timeFormats).default('auto'))
    .addOption(
      new Option('--input-includes-cache <choice>', 'whether input counts the cached tokens too (default: yes)').choices(['yes', 'no']),
    )
    .addOption(
      new Option('--output-includes-reasoning <choice>', 'whether output counts the reasoning tokens too (default: yes)').choices([
        'yes',
        'no',
      ]),
    )
    .addHelpText(
      'after',
      `${inAll}

A column can be:
${Object.entries(targets)
  .map(([target, meaning]) => `  ${target.padEnd(16)} ${meaning}`)
  .join('\n')}
  property:KEY     a property of the call

Example:
  spanledger import csv usage.csv --dry-run --columns 'id=request_id,time=created_at,user=customer,provider=vendor,model=model,input=prompt_tokens,output=completion_tokens,property:plan=plan'`,
    )
    .action(async (paths: string[]) => {
      const options = optionsOf<CsvOptions>(command)
      const { zone, zoneName } = timesOf(options)
      const map = readColumnMap(options)
      const notMapped = new Set<string>()
      const mapped = new Set(mappedColumns(map))
      const open = async (file: ImportFile): Promise<Source> => {
        const source = await csvSource(file, {
          map,
          times: { format: options.timeFormat, zone },
          zoneName,
          delimiter: delimiterOf(options.delimiter),
          provider: options.provider === undefined ? undefined : canonicalProvider(options.provider),
          counting: {
            inputIncludesCache: yes(options.inputIncludesCache),
            outputIncludesReasoning: yes(options.outputIncludesReasoning),
          },
        })
        for (const name of source.columnNames) if (!mapped.has(name)) notMapped.add(name)
        return source
      }
      await runImport('csv', options, { paths, open, notMapped })
    })
}

function addImportOptions(command: Command): Command {
  return command
    .argument('<files...>', 'the files, in any order')
    .option('--dry-run', 'write nothing: show the first calls as they are understood, and what is wrong with which lines')
    .option('--restart', 'begin anew where an import was interrupted')
    .option('--rejects <file>', 'write the records that are refused to a file')
    .addOption(new Option('--prices <file>', 'your own prices, on top of the bundled ones').env('SPANLEDGER_PRICES'))
}

function timesOf({ tz = 'UTC' }: Globals): ZoneOfTimes {
  try {
    return { zone: localTimes(tz), zoneName: tz }
  } catch (cause) {
    throw usageFailure(`--tz ${JSON.stringify(tz)} is no time zone. Give an IANA name such as Europe/Berlin.`, { cause })
  }
}

function delimiterOf(text: string): string {
  const delimiter = text === 'tab' || text === '\\t' ? '\t' : text
  if (!/^[\t -~]$/.test(delimiter) || delimiter === '"')
    throw usageFailure(`--delimiter ${JSON.stringify(text)}: give one character, such as ";", or "tab".`)
  return delimiter
}

function yes(choice: 'yes' | 'no' | undefined): boolean | undefined {
  return choice === undefined ? undefined : choice === 'yes'
}

async function runImport(
  name: string,
  globals: Globals & ImportOptions,
  { paths, open, notMapped }: { paths: readonly string[]; open: (file: ImportFile) => Promise<Source>; notMapped?: ReadonlySet<string> },
): Promise<void> {
  checkStorePath(globals.store)
  // All of them before the first: a mistake in the last name is said at once.
  const sources: Source[] = []
  for (const path of paths) sources.push(await open(await openFile(path)))
  await withIo(globals, async (io) => {
    const options = { restart: globals.restart === true, quiet: globals.quiet === true, rejects: globals.rejects, say: io.say }
    if (globals.dryRun === true) {
      const { summary, first } = await dryRun(sources, options, openPriceBook({ overridesPath: globals.prices }))
      await writeSummary(io, { source: name, summary, globals, dryRun: { first, not_mapped: [...(notMapped ?? [])] } })
      checkAnythingRead(summary)
      return
    }
    const store = await openStore({ path: globals.store, pricesPath: globals.prices, closesDays: false })
    try {
      const summary = await importFiles(sources, { ...options, store })
      await store.closeDays()
      await writeSummary(io, { source: name, summary, globals })
      checkAnythingRead(summary)
    } finally {
      await store.close()
    }
  })
}
