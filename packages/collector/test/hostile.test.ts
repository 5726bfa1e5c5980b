import { describe, expect, it } from 'vitest'

import { openItems } from '../src/ledger-items.ts'
import { toRefusal } from '../src/to-refusal.ts'
import { mutateRequest, seededRandom } from './mutations.ts'
import { findFaults, startCollector } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

const spans = makeSpans([
  { name: 'request', attributes: { 'user.id': 'ada', 'property.plan': 'pro', list: ['a', 'b'] } },
  {
    name: 'chat',
    parent: 0,
    attributes: callAttributes({ 'gen_ai.response.finish_reasons': ['stop'], temperature: 0.5, streamed: true }),
    failed: true,
  },
])
const seeds = [Buffer.from(serialize.protobuf(spans)), Buffer.from(serialize.json(spans))]
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
/** `FUZZ_RUNS=1000000` for a long run. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 10_000)
const bodyLimits = { maxDecompressedBytes: 1_000_000, maxJsonBytes: 1_000_000 }

/** What every object of this process inherits from. */
function inherited(): unknown {
  return [Object.prototype, Array.prototype, String.prototype, Number.prototype, Function.prototype].map((prototype) =>
    Reflect.ownKeys(prototype),
  )
}

describe(`mutated payloads (FUZZ_SEED=${seed})`, () => {
  it(
    'are read or refused as undecodable or too large, within 100 ms of CPU each, and change no prototype',
    async () => {
      const random = seededRandom(seed)
      const before = inherited()
      let slowestMs = 0
      const messages = new Set<string>()
      const seen = { read: 0, refused: 0 }
      for (let n = 0; n < runs; n++) {
        const { body, isGzip, isJson } = mutateRequest(seeds, random)
        // CPU time: what else the machine does is none of ours.
        const cpuBefore = process.cpuUsage()
        try {
          const signal = random() < 0.8 ? 'traces' : 'logs'
          const opened = await openItems({ signal, encoding: isJson ? 'json' : 'protobuf', isGzip, body }, bodyLimits)
          opened.close()
          seen.read++
        } catch (error) {
          const refusal = toRefusal(error)
          if (refusal.kind !== 'undecodable' && refusal.kind !== 'too_large') throw error
          messages.add(refusal.message)
          seen.refused++
        }
        const used = process.cpuUsage(cpuBefore)
        slowestMs = Math.max(slowestMs, (used.user + used.system) / 1000)
      }
      expect(inherited()).toEqual(before)
      expect(slowestMs).toBeLessThan(100)
      // The text of an answer holds nothing of the body.
      expect([...messages].filter((message) => /ada|proto__|gen_ai/.test(message))).toEqual([])
      expect([seen.read > runs / 20, seen.refused > runs / 20]).toEqual([true, true])
    },
    60_000 + runs,
  )

  it('are answered with 200, 400 or 413 by a server that goes on, and the ledger agrees with itself', async () => {
    const random = seededRandom(seed + 1)
    const { httpUrl, path, close } = await startCollector()
    const statuses = new Set<number>()
    for (let n = 0; n < 60; n++) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => {
          const { body, isGzip, isJson } = mutateRequest(seeds, random)
          return post(httpUrl, Uint8Array.from(body), {
            encoding: isJson ? 'json' : 'protobuf',
            headers: isGzip ? { 'content-encoding': 'gzip' } : {},
          })
        }),
      )
      for (const { status } of answers) statuses.add(status)
    }
    expect([...statuses].filter((status) => ![200, 400, 413].includes(status))).toEqual([])
    expect((await post(httpUrl, Uint8Array.from(seeds[0] ?? []))).status).toBe(200)
    await close()
    expect(await findFaults(path)).toEqual([])
  })
})
