import { readFileSync } from 'node:fs'
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

function readPem(what: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new CollectorError('bad_option', `The ${what} for TLS cannot be read (${(cause as Error).message}).`, { cause })
  }
}
