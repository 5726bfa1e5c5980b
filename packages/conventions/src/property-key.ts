/** The most characters a property key may have; a longer key is cut and marked. */
export const MAX_PROPERTY_KEY_LENGTH = 128

/** Property names that would collide with parts of the query language, or with JavaScript's own object members. */
const refused = new Set(['__proto__', 'prototype', 'constructor'])

/**
 * The key under which a property is kept: case and `-`, `_`, space fold together, so `User-Type`, `user_type` and
 * `USER TYPE` are one property.
 * @returns undefined for a name that holds no character, one that holds control characters or lone surrogates, or one
 * that names a member of every JavaScript object
 */
export function canonicalPropertyKey(name: string): string | undefined {
  const known = knownKeys.get(name)
  if (known !== undefined) return known
  const key = fold(name)
  if (key !== undefined && knownKeys.size < MAX_KNOWN_KEYS) knownKeys.set(name, key)
  return key
}

/** Apps use few names, each for every call. Names that come after these many are folded anew each time. */
const MAX_KNOWN_KEYS = 1000
const knownKeys = new Map<string, string>()

function fold(name: string): string | undefined {
  const trimmed = name.trim()
  if (refused.has(trimmed.toLowerCase())) return undefined
  const key = trimmed
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/gu, '_')
    .replace(/^_+|_+$/gu, '')
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (key === '' || refused.has(key) || !key.isWellFormed() || /[\u0000-\u001f\u007f]/.test(key)) return undefined
  return key.length > MAX_PROPERTY_KEY_LENGTH ? key.slice(0, MAX_PROPERTY_KEY_LENGTH - 1).replace(/[\ud800-\udbff]$/, '') + '…' : key
}
