/**
 * Reads packed counts, as SQLite's hex() writes them. The same reading as `decodeCounts` of the store, without bytes and a
 * Map of its own for each of the thousands of rows behind one answer.
 */
export function readPackedCounts(packedHex: string, take: (key: number, count: number) => void): void {
  let key = 0
  let value = 0
  let scale = 1
  let isKey = true
  for (let at = 0; at < packedHex.length; at += 2) {
    const byte = (digit(packedHex.charCodeAt(at)) << 4) | digit(packedHex.charCodeAt(at + 1))
    value += (byte & 127) * scale
    scale *= 128
    if (byte >= 128) continue
    if (isKey) key += value
    else take(key, value)
    isKey = !isKey
    value = 0
    scale = 1
  }
}

/** The value of a hex digit in upper or lower case. */
function digit(code: number): number {
  return code <= 57 ? code - 48 : (code & 31) + 9
}

/** Packed counts as SQLite keeps them, in two lists. */
export function unpackCounts(bytes: Uint8Array): { readonly keys: Int32Array; readonly counts: Float64Array } {
  const numbers = readVarints(bytes)
  const keys = new Int32Array(numbers.length / 2)
  const counts = new Float64Array(numbers.length / 2)
  let key = 0
  for (let n = 0; n < keys.length; n++) {
    keys[n] = key += numbers[2 * n] ?? 0
    counts[n] = numbers[2 * n + 1] ?? 0
  }
  return { keys, counts }
}

/** Packed ids, as the store keeps the users of a group. */
export function unpackIds(bytes: Uint8Array): Int32Array {
  const numbers = readVarints(bytes)
  const ids = new Int32Array(numbers.length)
  let id = 0
  for (let n = 0; n < ids.length; n++) ids[n] = id += numbers[n] ?? 0
  return ids
}

/** All numbers of a row of base-128 varints. */
function readVarints(bytes: Uint8Array): Float64Array {
  let length = 0
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] ?? 0) < 128) length++
  const numbers = new Float64Array(length)
  let value = 0
  let scale = 1
  let n = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 127) * scale
    scale *= 128
    if (byte >= 128) continue
    numbers[n++] = value
    value = 0
    scale = 1
  }
  return numbers
}

/** Reads packed counts a pair at a time, where a list of each would only be gone through once. */
export function eachCount(packed: Uint8Array, take: (key: number, count: number) => void): void {
  let key = 0
  for (let at = 0; at < packed.length;) {
    let [distance, count, scale] = [0, 0, 1]
    for (let byte = 128; byte >= 128; scale *= 128) {
      byte = packed[at++] ?? 0
      distance += (byte & 127) * scale
    }
    scale = 1
    for (let byte = 128; byte >= 128; scale *= 128) {
      byte = packed[at++] ?? 0
      count += (byte & 127) * scale
    }
    key += distance
    take(key, count)
  }
}
