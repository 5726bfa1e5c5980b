import { readFileSync } from 'node:fs'

import { usageFailure } from './failure.ts'

/** The text of a file that an option names. @throws CommandFailure where it cannot be read */
export function readNamedFile(option: string, path: string): string {
  try {
    // Editors of Windows begin a file with a mark that is no JSON.
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    throw usageFailure(`${option} ${JSON.stringify(path)} cannot be read (${(cause as Error).message}). Name a file of JSON.`, { cause })
  }
}

/** What a file of JSON holds. @throws CommandFailure where it cannot be read, or is none */
export function readJsonFile(option: string, path: string): unknown {
  const text = readNamedFile(option, path)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw usageFailure(`${option} ${JSON.stringify(path)} is no JSON: ${(cause as Error).message}.`, { cause })
  }
}
