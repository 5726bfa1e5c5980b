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
