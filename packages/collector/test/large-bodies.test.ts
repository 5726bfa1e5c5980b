import { gzipSync } from 'node:zlib'

import { expect, it } from 'vitest'

import { readLines, startCollector } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

/** A body in JSON of more than 4 MiB, all of whose spans fit into one transaction. */
function largeJson(): Uint8Array<ArrayBuffer> {
  const prompt = 'x'.repeat(55_000)
  return serialize.json(makeSpans(Array.from({ length: 100 }, () => ({ attributes: callAttributes({ prompt }) }))))
}

it('large bodies in JSON and gzip are answered, however many others come at once with them', async () => {
  const { httpUrl, path, close } = await startCollector()
  const answers = await Promise.all([
    post(httpUrl, largeJson(), { encoding: 'json' }),
    ...Array.from({ length: 12 }, (_, n) => {
      const spans = makeSpans([{ attributes: callAttributes() }])
      if (n % 3 === 0) return post(httpUrl, serialize.json(spans), { encoding: 'json' })
      const headers = { 'content-encoding': 'gzip' }
      if (n % 3 === 1) return post(httpUrl, Uint8Array.from(gzipSync(serialize.protobuf(spans))), { headers })
      return post(httpUrl, Uint8Array.from(gzipSync(largeJson())), { encoding: 'json', headers })
    }),
  ])
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  await close()
  expect((await readLines(path)).length).toBe(5 * 100 + 8)
}, 20_000)

it('a body larger than all room in memory is taken where it is alone, and the room is there again after it', async () => {
  const { httpUrl, path, close } = await startCollector({ maxInFlightBytes: 1024 * 1024 })
  const prompt = 'x'.repeat(20_000)
  const large = serialize.protobuf(makeSpans(Array.from({ length: 100 }, () => ({ attributes: callAttributes({ prompt }) }))))
  const small = serialize.protobuf(makeSpans([{ attributes: callAttributes() }]))
  expect(large.length).toBeGreaterThan(1024 * 1024)
  expect([(await post(httpUrl, large)).status, (await post(httpUrl, small)).status, (await post(httpUrl, large)).status]).toEqual([
    200, 200, 200,
  ])
  await close()
  expect((await readLines(path)).length).toBe(101)
})
