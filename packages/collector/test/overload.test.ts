import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { expect, it, onTestFinished } from 'vitest'

import { findFaults, readLines, startCollector, tempFolder } from './running.ts'
import { callAttributes, makeSpans, post, serialize } from './spans.ts'

it('with 256 MB for its heap it outlives more than it can take, answers 200 or 503, and has all that it took', async () => {
  const path = join(tempFolder(), 'ledger.db')
  const program = fileURLToPath(new URL('programs/collect.mjs', import.meta.url))
  const options = JSON.stringify({ httpPort: 0, grpcPort: 'off', store: { path } })
  const child = spawn(process.execPath, ['--max-old-space-size=256', program, options], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const [url = ''] = line.toString().split('\n')
  const requests = Array.from({ length: 80 }, () =>
    serialize.protobuf(makeSpans(Array.from({ length: 200 }, () => ({ attributes: callAttributes() })))),
  )
  // Bodies that are far larger as objects than as bytes.
  const emptyObjects = Uint8Array.from(gzipSync(`{"resourceSpans":[${'{},'.repeat(900_000)}{}]}`))
  const numbers = Uint8Array.from(gzipSync(`{"x":[${'1,'.repeat(7_000_000)}1]}`))
  const json = { encoding: 'json', headers: { 'content-encoding': 'gzip' } } as const
  const [answers, hostile] = await Promise.all([
    Promise.all(requests.map((body) => post(url, body))),
    Promise.all(Array.from({ length: 8 }, (_, n) => post(url, n % 2 === 0 ? emptyObjects : numbers, json))),
  ])
  expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([])
  expect(hostile.filter(({ status }) => ![200, 413, 503].includes(status))).toEqual([])
  child.kill('SIGTERM')
  expect((await once(child, 'close'))[0]).toBe(0)
  expect((await readLines(path)).length).toBe(answers.filter(({ status }) => status === 200).length * 200)
  expect(await findFaults(path)).toEqual([])
})

it('when it is closed, what it has taken is answered and committed, and nothing more is taken', async () => {
  const { httpUrl, path, close } = await startCollector()
  const bodies = Array.from({ length: 40 }, () =>
    serialize.protobuf(makeSpans(Array.from({ length: 50 }, () => ({ attributes: callAttributes() })))),
  )
  const sending = Promise.all(
    bodies.map(async (body, n) => {
      await sleep(n * 3)
      return post(httpUrl, body).then(
        ({ status }) => status,
        () => 'not connected' as const,
      )
    }),
  )
  await sleep(40)
  await close()
  const statuses = await sending
  expect(statuses.filter((status) => status !== 200 && status !== 503 && status !== 'not connected')).toEqual([])
  expect((await readLines(path)).length).toBe(statuses.filter((status) => status === 200).length * 50)
})
