import type { Store } from '@spanledger/store'

import { CommandFailure, exitCodes } from '../command/failure.ts'
import { openProgress } from '../command/progress.ts'
import { importFile, type ImportContext, type Source } from './import-file.ts'
import { openRejects } from './rejects.ts'
import { addTally, emptyTally, type Tally } from './tally.ts'

/** What became of the records of some files. */
export interface ImportSummary {
  readonly files: readonly (Tally & { readonly file: string })[]
  readonly totals: Tally
}

export interface ImportOptions {
  readonly store: Store | undefined
  readonly restart: boolean
  readonly quiet: boolean
  readonly rejects: string | undefined
  readonly say: (text: string) => void
  readonly see?: ImportContext['see']
}

/**
 * Imports files one after the other, with a bar where stderr is a terminal. Ctrl-C ends it after the batch that is being
 * written; a second one ends it at once.
 * @throws CommandFailure when it is ended so, or a file cannot be read to its end; what was committed stays
 */
export async function importFiles(
  sources: readonly Source[],
  { store, restart, quiet, rejects, say, see }: ImportOptions,
): Promise<ImportSummary> {
  const interruption = new AbortController()
  const interrupt = (): void => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted)
    interruption.abort()
  }
  const refused = openRejects(
    rejects,
    sources.map(({ file }) => file.path),
  )
  const bar = openProgress('Importing bytes', { quiet })
  const of = sources.reduce((sum, { file }) => sum + file.sizeBytes, 0)
  process.on('SIGINT', interrupt)
  const files: (Tally & { file: string })[] = []
  const totals = emptyTally()
  let bytesBefore = 0
  try {
    for (const source of sources) {
      const { path, sizeBytes } = source.file
      const { tally, done } = await importFile(source, {
        store,
        restart,
        signal: interruption.signal,
        progress: (bytes) => bar.update({ done: bytesBefore + bytes, of }),
        resumes: (_, checkpoint) => {
          if (checkpoint === 'changed') say(`${path} was changed since its import was interrupted: reading it from the beginning.`)
          else {
            say(`${path}: going on at line ${checkpoint.place.line}, after ${checkpoint.tally.records} records (--restart begins anew).`)
            refused.keep()
          }
        },
        reject: refused.add,
        see,
      })
      if (!done) throw store === undefined ? interruptedReading : interrupted(path, tally)
      files.push({ file: path, ...tally })
      addTally(totals, tally)
      bytesBefore += sizeBytes
    }
    refused.close()
    return { files, totals }
  } finally {
    process.off('SIGINT', interrupt)
    bar.end()
  }
}

const interruptedReading = new CommandFailure(exitCodes.interrupted, 'Interrupted.')

function interrupted(path: string, { records, imported, already_there: alreadyThere }: Tally): CommandFailure {
  return new CommandFailure(
    exitCodes.interrupted,
    `Interrupted. ${records} records of ${path} are done: ${imported} calls imported, ${alreadyThere} already there. The same command goes on from there.`,
  )
}
