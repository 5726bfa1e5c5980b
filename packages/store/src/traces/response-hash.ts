/**
 * 48 bits of a provider's response id, by which a call is found again without an index: six bytes in its row. Two halves of
 * FNV-1a; among a million calls another one has the same with a chance of three in a billion.
 */
export function responseHash(responseId: string): number {
  let low = 0x811c9dc5
  let high = 0x050c5d1f
  for (let n = 0; n < responseId.length; n++) {
    const unit = responseId.charCodeAt(n)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x85ebca6b)
    high ^= high >>> 15
  }
  return ((high >>> 0) & 0xffff) * 2 ** 32 + (low >>> 0)
}
