import { once } from 'node:events'

import { outFile } from './out-file.ts'

export const colorChoices = ['auto', 'always', 'never'] as const
export type ColorChoice = (typeof colorChoices)[number]

/** Where a command writes: data to `out`, everything else to `say`. */
export interface Io {
  /** Resolves when the text or the bytes are taken; a reader that went away ends the command quietly. */
  out(data: string | Uint8Array): Promise<void>
  say(text: string): void
  /** True on a terminal that may be decorated. */
  readonly decorated: boolean
  /** Makes room for what is written anew: clears a terminal, and does nothing elsewhere. */
  readonly clear: () => Promise<void>
  /** Puts the file of `--out` in its place with all that was written. */
  close(): Promise<void>
  /** Ends without: the file of `--out` stays as it was. */
  discard(): Promise<void>
}

/** Output to this process's streams, or to a file instead of stdout. */
export function openIo({ out, quiet, color = 'auto' }: { out?: string | undefined; quiet: boolean; color?: ColorChoice | undefined }): Io {
  const say = (text: string): void => {
    if (!quiet) process.stderr.write(`${text}\n`)
  }
  if (out !== undefined) {
    const file = outFile(out)
    return { out: file.write, say, decorated: color === 'always', clear: doNothing, close: file.keep, discard: file.discard }
  }
  return {
    out: writeOut,
    say,
    decorated: isDecorated(color),
    clear: process.stdout.isTTY === true ? () => writeOut(CLEAR) : doNothing,
    close: doNothing,
    discard: doNothing,
  }
}

/** Whether output is in colour: as the option says, else as the environment says, else where it goes to a terminal. */
function isDecorated(color: ColorChoice): boolean {
  const { NO_COLOR = '', FORCE_COLOR = '', TERM } = process.env
  if (color !== 'auto') return color === 'always'
  if (NO_COLOR !== '') return false
  if (FORCE_COLOR !== '') return FORCE_COLOR !== '0'
  // isTTY is undefined on a pipe, and undefined would leave the choice to the colour library, which colours wherever CI is set.
  return process.stdout.isTTY === true && TERM !== 'dumb'
}

async function writeOut(data: string | Uint8Array): Promise<void> {
  if (data.length === 0 || process.stdout.write(data)) return
  await once(process.stdout, 'drain')
}

/** Clears a terminal's screen, and goes to its first line. */
const CLEAR = '\u001b[2J\u001b[H'

function doNothing(): Promise<void> {
  return Promise.resolve()
}
