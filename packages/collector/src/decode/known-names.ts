/** A name, and the bytes that it was read from. */
interface Known {
  readonly bytes: Uint8Array
  readonly name: string
}

const SLOTS = 1024
const MAX_BYTES = 64
const known: (Known | undefined)[] = Array.from({ length: SLOTS })

/**
 * The name of an attribute that stands in `bytes`: apps write few, on every span. The same text each time, of which V8 knows
 * already that it is the name of a property, without a call into the runtime.
 * @returns undefined where it is too long, or no ASCII
 */
export function knownName(bytes: Buffer, start: number, end: number): string | undefined {
  if (end - start > MAX_BYTES) return undefined
  let hash = 0
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1)
  const found = known[slot]
  if (found !== undefined && isSame(found.bytes, bytes, start, end)) return found.name
  for (let at = start; at < end; at++) if ((bytes[at] ?? 128) > 127) return undefined
  const name = bytes.toString('latin1', start, end)
  // The last one stays: of two that share a slot neither is kept from it for ever.
  known[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), name }
  return name
}

function isSame(one: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (one.length !== end - start) return false
  for (let n = 0; n < one.length; n++) if (one[n] !== bytes[start + n]) return false
  return true
}
