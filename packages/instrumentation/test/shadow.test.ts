import { setFlagsFromString } from 'node:v8'

import OpenAI from 'openai'
import { expect, it } from 'vitest'

import { instrument } from '../src/index.ts'

it('what is put on the objects of a call is not allocated in the old space, where it would keep the call alive', async () => {
  setFlagsFromString('--allow-natives-syntax')
  // oxlint-disable-next-line no-new-func, no-implied-eval -- the syntax is V8's own, and must be parsed after the flag is set
  const isYoung = new Function('object', 'return %InYoungGeneration(object)') as (object: unknown) => boolean
  const body = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'
  const fetch = (): Promise<Response> => Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }))
  const client = instrument(new OpenAI({ apiKey: 'none', fetch }))
  const promise = client.chat.completions.create({ model: 'gpt-4o-mini', messages: [], stream: true })
  expect(['parse', 'asResponse', '_thenUnwrap'].map((name) => isYoung(Reflect.get(promise, name)))).toEqual([true, true, true])
  const stream = await promise
  expect(isYoung(Reflect.get(stream, 'iterator'))).toBe(true)
  for await (const chunk of stream) expect(chunk.choices).toHaveLength(1)
})
