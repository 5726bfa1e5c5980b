import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

import { CollectorError } from './collector-error.ts'

/** A certificate, with those between it and its authority behind it, and its key; both PEM. */
export interface TlsKeys {
  readonly cert: Buffer
  readonly key: Buffer
}

/**
 * Reads the files of a certificate and its key, and whether they belong together.
 * @returns undefined where neither is named
 * @throws CollectorError
 */
export function readTlsKeys(certPath: string | undefined, keyPath: string | undefined): TlsKeys | undefined {
  if (certPath === undefined && keyPath === undefined) return undefined
  if (certPath === undefined || keyPath === undefined) {
    const [given, missing] = certPath === undefined ? ['key', 'certificate'] : ['certificate', 'key']
    throw new CollectorError('bad_option', `There is a ${given} for TLS and no ${missing}. Give both: --tls-cert FILE --tls-key FILE.`)
  }
  const keys = { cert: readPem('certificate', certPath), key: readPem('key', keyPath) }
  try {
    createSecureContext(keys)
  } catch (cause) {
    throw new CollectorError(
      'bad_option',
      `"${certPath}" and "${keyPath}" cannot be used for TLS (${(cause as Error).message}). They must be PEM, without a passphrase, and belong together.`,
      { cause },
    )
  }
  return keys
}

/** How often the files are looked at. */
const LOOK_EVERY_MS = 1000

export interface TlsEvents {
  /** There are new keys, for the connections that come from now on. */
  readonly renewed: (keys: TlsKeys) => void
  readonly onFault: (error: unknown) => void
}

/**
 * Looks every second whether the files were renewed. What cannot be used leaves the keys as they are, and `onFault` hears of it once it has
 * stayed so for a second: who renews both writes one after the other.
 * @returns how to stop
 */
export function watchTlsKeys(certPath: string, keyPath: string, { renewed, onFault }: TlsEvents): () => void {
  let used = stampOf(certPath, keyPath)
  let faulty = { stamp: '', isSaid: false }
  const look = (): void => {
    const stamp = stampOf(certPath, keyPath)
    if (stamp === used) return
    try {
      const keys = readTlsKeys(certPath, keyPath)
      used = stamp
      if (keys !== undefined) renewed(keys)
    } catch (error) {
      if (faulty.stamp !== stamp) faulty = { stamp, isSaid: false }
      else if (!faulty.isSaid) {
        faulty.isSaid = true
        onFault(error)
      }
    }
  }
  const timer = setInterval(look, LOOK_EVERY_MS).unref()
  return () => clearInterval(timer)
}

function stampOf(...paths: readonly string[]): string {
  return paths
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((found) => (found === undefined ? 'none' : `${found.mtimeMs} ${found.size} ${found.ino}`))
    .join(', ')
}

function readPem(what: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new CollectorError('bad_option', `The ${what} for TLS cannot be read (${(cause as Error).message}).`, { cause })
  }
}
