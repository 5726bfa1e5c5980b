import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, existsSync, readFileSync, statSync } from 'node:fs'

import { CollectorError } from './collector-error.ts'

/** A token, known by its hash, and whose it is. */
export interface TokenBinding {
  /** SHA-256. */
  readonly hash: Buffer
  /** Undefined for the ledger that stands for no tenant. */
  readonly tenant: string | undefined
}

/** Shorter ones can be guessed. */
export const MIN_TOKEN_LENGTH = 32

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** What a tenant may be called: the name becomes a part of a file's. */
function isTenantName(name: string): boolean {
  return /^[a-z0-9_-]{1,64}$/.test(name)
}

/**
 * Reads a file of tokens: a line each, `sha256:<64 hex digits> tenant=<name>`; empty lines and those that begin with `#` are
 * passed over.
 * @throws CollectorError that names the line
 */
function readTokenFile(path: string): TokenBinding[] {
  return readText(path)
    .split('\n')
    .flatMap((line, n) => {
      const text = line.trim()
      if (text === '' || text.startsWith('#')) return []
      const [, hash = '', tenant = ''] = /^sha256:([\da-f]{64})\s+tenant=(\S+)$/i.exec(text) ?? []
      if (hash === '' || !isTenantName(tenant)) {
        throw new CollectorError(
          'bad_option',
          `Token file "${path}", line ${n + 1}: write "sha256:<64 hex digits> tenant=<name>", the name of a-z, 0-9, _ and -. Make one: spanledger tokens add --tenant NAME`,
        )
      }
      return [{ hash: Buffer.from(hash, 'hex'), tenant }]
    })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CollectorError(
      'bad_option',
      `Token file "${path}" cannot be read (${(cause as Error).message}). Make one: spanledger tokens add --tenant NAME --token-file FILE`,
      { cause },
    )
  }
}

/** How often the file is looked at, at most. */
const LOOK_EVERY_MS = 1000

/**
 * The tokens of a file as it is now: one that is added or taken out counts within a second, without a restart. A file that
 * has become unreadable, or has a faulty line, leaves all tokens as they were, and `onFault` hears of it, with each look,
 * until it is mended.
 * @throws CollectorError where it is so from the start
 */
export function watchTokenFile(path: string, onFault: (error: unknown) => void): () => readonly TokenBinding[] {
  let stamp = stampOf(path)
  let bindings: readonly TokenBinding[] = readTokenFile(path)
  let lookedMs = Date.now()
  return () => {
    if (Date.now() - lookedMs < LOOK_EVERY_MS) return bindings
    lookedMs = Date.now()
    const now = stampOf(path)
    if (now === stamp) return bindings
    try {
      bindings = readTokenFile(path)
      stamp = now
    } catch (error) {
      onFault(error)
    }
    return bindings
  }
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? '' : `${found.mtimeMs} ${found.size} ${found.ino}`
}

/**
 * Makes a token for a tenant and adds its hash to a file, which only its owner may read.
 * @returns the token, which is kept nowhere
 * @throws CollectorError
 */
export function addToken(path: string, tenant: string): string {
  if (!isTenantName(tenant)) {
    throw new CollectorError('bad_option', `"${tenant}" cannot be a tenant's name: give 1 to 64 of a-z, 0-9, _ and -.`)
  }
  const token = `sl_${randomBytes(32).toString('base64url')}`
  try {
    // A file that was written by hand may end in the middle of a line.
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const gap = text === '' || text.endsWith('\n') ? '' : '\n'
    appendFileSync(path, `${gap}sha256:${hashToken(token).toString('hex')} tenant=${tenant}\n`, { mode: 0o600 })
    chmodSync(path, 0o600)
  } catch (cause) {
    throw new CollectorError('not_allowed', `Token file "${path}" cannot be written (${(cause as Error).message}).`, { cause })
  }
  return token
}
