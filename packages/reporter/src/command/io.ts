import { once } from 'node:events'

import { outFile } from './out-file.ts'

/** Where a command writes: data to `out`, everything else to `say`. */
export interface Io {
  /** Resolves when the text or the bytes are taken; a reader that went away ends the command quietly. */
  out(data: string | Uint8Array): Promise<void>
  say(text: string): void
  /** True on a terminal that may be decorated. */
  readonly decorated: boolean
  /** Puts the file of `--out` in its place with all that was written. */
  close(): Promise<void>
  /** Ends without: the file of `--out` stays as it was. */
  discard(): Promise<void>
}

/** Output to this process's streams, or to a file instead of stdout. */
export function openIo({ out, quiet }: { out?: string | undefined; quiet: boolean }): Io {
  const say = (text: string): void => {
    if (!quiet) process.stderr.write(`${text}\n`)
  }
  if (out !== undefined) {
    const file = outFile(out)
    return { out: file.write, say, decorated: false, close: file.keep, discard: file.discard }
  }
  return {
    out: async (data) => {
      if (data.length === 0 || process.stdout.write(data)) return
      await once(process.stdout, 'drain')
    },
    say,
    // isTTY is undefined on a pipe, and undefined would leave the choice to the colour library, which colours wherever CI is set.
    decorated: process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb',
    close: doNothing,
    discard: doNothing,
  }
}

function doNothing(): Promise<void> {
  return Promise.resolve()
}
