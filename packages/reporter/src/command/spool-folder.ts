import { readdirSync } from 'node:fs'

import { settings } from '@spanledger/exporter'
import { Option } from 'commander'

/** `--spool`, for commands that look for calls which wait outside of the ledger. */
export function spoolOption(): Option {
  return new Option('--spool <path>', "the folder of waiting calls (default: the ledger's path with .spool behind it)").env(
    settings.spoolPath.env,
  )
}

/** The folder in which apps put calls aside: as given, as in the environment, else beside the ledger. */
export function spoolFolder({ store, spool = process.env[settings.spoolPath.env] }: { store: string; spool?: string }): string {
  return spool || `${store}.spool`
}

/** What lies in the folder; none where it does not exist, a sentence where it cannot be read. */
export function spoolFiles(path: string): string[] | { readonly unreadable: string } {
  try {
    return readdirSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? [] : { unreadable: code === 'ENOTDIR' ? `${path} is no folder` : message }
  }
}
