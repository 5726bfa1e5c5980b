import { gzipSync } from 'node:zlib'

/** Numbers from 0 up to 1 that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const nastyJson = [
  '{"__proto__":{"polluted":true}}',
  '"__proto__"',
  '"constructor"',
  'null',
  '[]',
  '{}',
  '-1',
  '1e999',
  '9007199254740993',
  '"\\ud800"',
  '"\\u0000"',
  'true',
  `${'['.repeat(200)}${']'.repeat(200)}`,
  `${'{"kvlistValue":{"values":[{"key":"a","value":'.repeat(60)}{}${'}]}}'.repeat(60)}`,
]
const nastyBytes = [
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]),
  Buffer.from([0x0b, 0x0c]),
  Buffer.from([0x00]),
  Buffer.from('__proto__'),
  Buffer.from([0xf8, 0x88, 0x80, 0x80]),
]

/** A body with some of it changed: bytes flipped, cut out, doubled, put elsewhere, or replaced with what is known to hurt. */
function mutate(seeds: readonly Buffer[], random: () => number): Buffer {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const seed = pick(seeds)
  let body = Buffer.from(seed)
  const isJson = seed[0] === 0x7b
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--) {
    const at = Math.floor(random() * (body.length + 1))
    const length = Math.floor(random() ** 3 * 64)
    switch (Math.floor(random() * 6)) {
      case 0:
        if (at < body.length) body[at] = Math.floor(random() * 256)
        break
      case 1:
        body = Buffer.concat([body.subarray(0, at), body.subarray(at + length)])
        break
      case 2:
        body = Buffer.concat([body.subarray(0, at + length), body.subarray(at)])
        break
      case 3:
        body = body.subarray(0, at)
        break
      case 4: {
        const other = pick(seeds)
        const from = Math.floor(random() * other.length)
        body = Buffer.concat([body.subarray(0, at), other.subarray(from, from + length), body.subarray(at)])
        break
      }
      default: {
        const nasty = isJson ? Buffer.from(pick(nastyJson)) : pick(nastyBytes)
        body = Buffer.concat([body.subarray(0, at), nasty, body.subarray(isJson ? at + length : at)])
      }
    }
  }
  return body
}

/** The same, now and then as gzip. */
export function mutateRequest(seeds: readonly Buffer[], random: () => number): { body: Buffer; isGzip: boolean; isJson: boolean } {
  const plain = mutate(seeds, random)
  const isJson = plain[0] === 0x7b
  if (random() > 0.02) return { body: plain, isGzip: false, isJson }
  return { body: mutate([gzipSync(plain)], random), isGzip: true, isJson }
}
