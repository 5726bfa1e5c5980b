import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import OpenAI from 'openai'
import { expect, it } from 'vitest'

import { instrument } from '../src/index.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as (options?: { type: 'minor' }) => void

const answer = JSON.stringify({ id: 'chatcmpl-1', model: 'gpt-4o-mini', choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } })
const fetch = (): Promise<Response> =>
  new Promise((resolve) => {
    setImmediate(() => resolve(new Response(answer, { headers: { 'content-type': 'application/json' } })))
  })

function oldSpaceBytes(): number {
  return getHeapSpaceStatistics().reduce((sum, space) => sum + (space.space_name === 'old_space' ? space.space_used_size : 0), 0)
}

/** Makes calls that overlap, as those of an app do, with a scavenge now and then. @returns the bytes that stay in the old space, a call */
async function keptPerCall(client: OpenAI, calls: number): Promise<number> {
  const inFlight: Promise<unknown>[] = []
  const call = (): number =>
    inFlight.push(client.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }))
  for (let n = 0; n < 12; n++) call()
  gc()
  const before = oldSpaceBytes()
  for (let n = 0; n < calls; n++) {
    await inFlight.shift()
    call()
    if (n % 50 === 0) gc({ type: 'minor' })
  }
  const kept = (oldSpaceBytes() - before) / calls
  await Promise.all(inFlight)
  return kept
}

it('a call that is over does not keep its request and its answer until the next major collection', async () => {
  const client = (): OpenAI => new OpenAI({ apiKey: 'none', fetch })
  // Bare first: instrumenting one client records the calls of all clients of its module.
  const bare = client()
  await keptPerCall(bare, 1000)
  const bareBytes = await keptPerCall(bare, 1000)
  const ours = instrument(client())
  await keptPerCall(ours, 1000)
  expect(await keptPerCall(ours, 1000)).toBeLessThan(bareBytes + 1000)
})
