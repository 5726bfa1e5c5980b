/**
 * Counts by whole number (a histogram bucket, an id), packed: ascending keys, each as the distance from the one before,
 * then its count; both as base-128 varints. The same counts always give the same bytes.
 */
export type Counts = ReadonlyMap<number, number>

export function encodeCounts(counts: Counts): Uint8Array {
  const writer = { at: 0, previous: 0 }
  for (const [key, count] of [...counts].sort(([a], [b]) => a - b)) write(writer, key, count)
  return Uint8Array.prototype.slice.call(scratch, 0, writer.at)
}

/** Ids, ascending and each once, as distances in varints. The same ids always give the same bytes. */
export function encodeIds(ids: readonly number[]): Uint8Array {
  let at = 0
  let previous = 0
  for (const id of ids) {
    grow(at)
    at = writeVarint(at, id - previous)
    previous = id
  }
  return Uint8Array.prototype.slice.call(scratch, 0, at)
}

/** Packed counts, in hex, with each of `added` counted once more and each of `removed` once less. */
export function mergeCounts(packedHex: string, added: readonly number[] = [], removed: readonly number[] = []): string {
  if (added.length === 0 && removed.length === 0) return packedHex
  const plus = ascending(added)
  const minus = ascending(removed)
  const reader = { bytes: packedHex === '' ? noBytes : Buffer.from(packedHex, 'hex'), at: 0 }
  const writer = { at: 0, previous: 0 }
  let next = reader.bytes.length === 0 ? Infinity : readVarint(reader)
  for (let p = 0, m = 0; ;) {
    const key = Math.min(next, plus[p] ?? Infinity, minus[m] ?? Infinity)
    if (key === Infinity) return hexOfScratch(writer.at)
    let count = 0
    if (key === next) {
      count = readVarint(reader)
      next = reader.at === reader.bytes.length ? Infinity : key + readVarint(reader)
    }
    for (; plus[p] === key; p++) count++
    for (; minus[m] === key; m++) count--
    write(writer, key, count)
  }
}

const noBytes = new Uint8Array(0)
const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Most counts are of one call and take three bytes, for which a call out of JavaScript costs more than the rest. */
function hexOfScratch(end: number): string {
  if (end > 16) return scratch.toString('hex', 0, end)
  let hex = ''
  for (let at = 0; at < end; at++) hex += hexOfByte[scratch[at] ?? 0] ?? ''
  return hex
}

/** Long lists in an array of numbers, which V8 sorts without calling a comparison: a model's day has hundreds of keys a batch. */
function ascending(keys: readonly number[]): ArrayLike<number> {
  if (keys.length < 2) return keys
  return keys.length < 24 ? [...keys].sort((a, b) => a - b) : Float64Array.from(keys).sort()
}

let scratch = Buffer.alloc(1024)

function write(writer: { at: number; previous: number }, key: number, count: number): void {
  if (count === 0) return
  grow(writer.at)
  writer.at = writeVarint(writer.at, key - writer.previous)
  writer.at = writeVarint(writer.at, count)
  writer.previous = key
}

/** Makes room for two numbers. */
function grow(at: number): void {
  if (at + 20 > scratch.length) scratch = Buffer.concat([scratch], scratch.length * 2)
}

function writeVarint(at: number, value: number): number {
  let rest = value
  let end = at
  for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) scratch[end++] = (rest % 128) | 128
  for (; rest >= 128; rest >>>= 7) scratch[end++] = (rest & 127) | 128
  scratch[end++] = rest
  return end
}

/** @throws RangeError when the bytes are not what `encodeCounts` wrote */
export function decodeCounts(bytes: Uint8Array): Map<number, number> {
  const counts = new Map<number, number>()
  const reader = { bytes, at: 0 }
  for (let key = 0; reader.at < bytes.length;) {
    key += readVarint(reader)
    counts.set(key, readVarint(reader))
  }
  return counts
}

function readVarint(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw new RangeError('counts end in the middle of a number')
    value += (byte & 127) * scale
    if (byte < 128) return value
  }
}

/**
 * Durations are counted in buckets that grow by a factor of 2^(1/32), so that a quantile read from them is at most 1.1 %
 * away (OTel's exponential histogram at scale 5). Bucket 0 is 0 ms; bucket n > 0 holds (b^(n-2), b^(n-1)] ms.
 */
const BUCKETS_PER_DOUBLING = 32

export function durationBucket(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(Math.log2(Math.max(ms, 1)) * BUCKETS_PER_DOUBLING - 1e-9) + 1
}

/** The middle of a bucket in ms, by the geometric mean of its bounds: what quantiles answer. */
export function bucketMs(bucket: number): number {
  return bucket === 0 ? 0 : bucket === 1 ? 1 : 2 ** ((bucket - 1.5) / BUCKETS_PER_DOUBLING)
}

/**
 * The q-quantile (nearest rank) of counted durations in ms, within 1.1 %.
 * @returns undefined when nothing was counted
 */
export function quantileMs(counts: Counts, q: number): number | undefined {
  let total = 0
  for (const count of counts.values()) total += count
  if (total === 0) return undefined
  const rank = Math.max(1, Math.ceil(q * total))
  let seen = 0
  for (const [bucket, count] of [...counts].sort(([a], [b]) => a - b)) {
    seen += count
    if (seen >= rank) return bucketMs(bucket)
  }
  return undefined
}
