import { createWriteStream } from 'node:fs'
import { once } from 'node:events'

/** Where a command writes: data to `out`, everything else to `say`. */
export interface Io {
  /** Resolves when the text is taken; a reader that went away ends the command quietly. */
  out(text: string): Promise<void>
  say(text: string): void
  /** True on a terminal that may be decorated. */
  readonly decorated: boolean
  close(): Promise<void>
}

/** Output to this process's streams, or to a file instead of stdout. */
export function openIo({ out, quiet }: { out?: string | undefined; quiet: boolean }): Io {
  const file = out === undefined ? undefined : createWriteStream(out, { mode: 0o600 })
  const stream = file ?? process.stdout
  return {
    out: async (text) => {
      if (text === '' || stream.write(text)) return
      await once(stream, 'drain')
    },
    say: (text) => {
      if (!quiet) process.stderr.write(`${text}\n`)
    },
    decorated: file === undefined && process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb',
    close: async () => {
      if (file === undefined) return
      file.end()
      await once(file, 'close')
    },
  }
}
