import { randomUUID } from 'node:crypto'
import { rmSync, statSync, type Stats } from 'node:fs'
import { open, realpath, rename, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { CommandFailure, exitCodes } from './failure.ts'

/** A file that a command writes to: at its path everything appears at once, or nothing. */
export interface OutFile {
  /** @throws OutFailure that says why the file cannot be written */
  write(data: string | Uint8Array): Promise<void>
  /** Puts what was written in place of what was there. Does nothing where nothing was written. */
  keep(): Promise<void>
  /** Leaves what was there as it was. */
  discard(): Promise<void>
}

/** The file of `--out` cannot be written. */
export class OutFailure extends CommandFailure {}

/** Touches nothing before the first write. */
export function outFile(path: string): OutFile {
  let opened: Opened | undefined
  const orFailure = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (cause) {
      throw outFailure(path, cause as NodeJS.ErrnoException)
    }
  }
  return {
    write: (data) =>
      orFailure(async () => {
        opened ??= await openBeside(path)
        await opened.file.writeFile(data)
      }),
    keep: () =>
      orFailure(async () => {
        if (opened === undefined) return
        const { file, partPath, targetPath } = opened
        opened = undefined
        await file.close()
        if (partPath !== undefined) await rename(partPath, targetPath)
      }),
    discard: async () => {
      if (opened === undefined) return
      const { file, partPath } = opened
      opened = undefined
      await file.close()
      if (partPath !== undefined) rmSync(partPath, { force: true })
    },
  }
}

interface Opened {
  readonly file: FileHandle
  readonly targetPath: string
  /** Where the text waits; undefined where it goes straight to the target. */
  readonly partPath: string | undefined
}

async function openBeside(path: string): Promise<Opened> {
  const before = statSync(path, { throwIfNoEntry: false })
  // A device or a pipe (/dev/null, >(gzip)) takes what it is given and must not be replaced by a file.
  if (before !== undefined && !before.isFile()) return { file: await open(path, 'w'), targetPath: path, partPath: undefined }
  // A link goes on pointing to the file.
  const targetPath = before === undefined ? path : await realpath(path)
  const partPath = join(dirname(targetPath), `.${basename(targetPath).slice(0, 200)}.${randomUUID()}.part`)
  const file = await open(partPath, 'wx', 0o600)
  process.once('exit', () => rmSync(partPath, { force: true }))
  await keepMode(file, before)
  return { file, targetPath, partPath }
}

/** Who may read a file that is written anew stays as it was. */
async function keepMode(file: FileHandle, before: Stats | undefined): Promise<void> {
  if (before !== undefined) await file.chmod(before.mode & 0o777)
}

const notAllowedCodes: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS'])

function outFailure(path: string, { code, message }: NodeJS.ErrnoException): OutFailure {
  const given = `--out ${JSON.stringify(path)}`
  const folder = JSON.stringify(dirname(path))
  if (notAllowedCodes.has(code)) {
    return new OutFailure(
      exitCodes.notAllowed,
      `${given} may not be written (${code}): a new file is made in ${folder} first. Allow writing there, or name a file in another folder.`,
    )
  }
  return new OutFailure(exitCodes.failed, `${given} ${whyNot(code, folder, path) ?? `cannot be written: ${message}. Name another file.`}`)
}

function whyNot(code: string | undefined, folder: string, path: string): string | undefined {
  if (code === 'ENOENT') return `cannot be written: there is no folder ${folder}. Make it, or name a file in another folder.`
  if (code === 'ENOTDIR') return `cannot be written: ${folder} is no folder. Name a file in another folder.`
  if (code === 'EISDIR') return `is a folder. Name a file in it, e.g. ${JSON.stringify(join(path, 'report.csv'))}.`
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return `cannot be written: no space is left (${code}). Make room, or name a file on another disk.`
  return undefined
}
