/** Shows on a terminal how far a long command has come, on one line of stderr; says nothing on a pipe, or with `--quiet`. */
export interface Progress {
  update(progress: { readonly done: number; readonly of: number }): void
  /** Takes the line away again. */
  end(): void
}

const WIDTH = 30
/** More often than this nobody sees. */
const EVERY_MS = 100

export function openProgress(what: string, { quiet }: { quiet: boolean }): Progress {
  const { stderr } = process
  if (quiet || stderr.isTTY !== true || process.env['TERM'] === 'dumb') return { update: () => undefined, end: () => undefined }
  let shownMs = 0
  return {
    update: ({ done, of }) => {
      const nowMs = Date.now()
      if (nowMs - shownMs < EVERY_MS) return
      shownMs = nowMs
      stderr.write(`\r${progressLine(what, done, of)}\u001b[K`)
    },
    end: () => {
      if (shownMs > 0) stderr.write('\r\u001b[K')
    },
  }
}

/** `Repricing [######            ]  20 %  200,000 of 1,000,000` */
export function progressLine(what: string, done: number, of: number): string {
  const share = of === 0 ? 1 : Math.min(done / of, 1)
  const filled = Math.floor(share * WIDTH)
  const percent = String(Math.floor(share * 100)).padStart(3)
  return `${what} [${'#'.repeat(filled).padEnd(WIDTH)}] ${percent} %  ${done.toLocaleString('en')} of ${of.toLocaleString('en')}`
}
