import { openStore, StoreError } from '@spanledger/store'
import { expect, it } from 'vitest'

import { LedgerQueue } from '../src/ledger-queue.ts'
import { callAttributes, makeSpans, serialize } from './spans.ts'

const limits = { maxDecompressedBytes: 2 ** 26, maxJsonBytes: 2 ** 26 }

it('requests that together are as large as a transaction are all answered when that one is committed', async () => {
  const store = await openStore({ path: ':memory:' })
  let committed = 0
  const queue = new LedgerQueue(
    {
      ...store,
      write: async (batch) => {
        const outcome = await store.write(batch)
        committed += outcome.inserted
        return outcome
      },
    },
    limits,
  )
  const request = (): Buffer =>
    Buffer.from(serialize.protobuf(makeSpans(Array.from({ length: 512 }, () => ({ attributes: callAttributes() })))))
  const committedAtAnswer = await Promise.all(
    Array.from({ length: 5 }, async () => {
      await queue.add({ signal: 'traces', encoding: 'protobuf', isGzip: false, body: request() })
      return committed
    }),
  )
  expect(committedAtAnswer).toEqual([2048, 2048, 2048, 2048, 2560])
  await queue.idle()
  await store.close()
})

it('a request in two transactions, of which the first fails, is answered when what failed was written again', async () => {
  const store = await openStore({ path: ':memory:' })
  let writes = 0
  let running = 0
  const queue = new LedgerQueue(
    {
      ...store,
      write: async (batch) => {
        running++
        try {
          if (writes++ === 0) {
            // The group behind this one is on its way by now, and before the halves of this one.
            await new Promise((resolve) => setTimeout(resolve, 200))
            throw new StoreError('other', 'a value that no ledger takes', { cause: new TypeError('a value') })
          }
          return await store.write(batch)
        } finally {
          running--
        }
      },
    },
    limits,
  )
  const body = Buffer.from(serialize.protobuf(makeSpans(Array.from({ length: 4097 }, () => ({ attributes: callAttributes() })))))
  await queue.add({ signal: 'traces', encoding: 'protobuf', isGzip: false, body })
  expect(await store.all('SELECT count(*) AS calls FROM llm_calls')).toEqual([{ calls: 4097 }])
  expect(running).toBe(0)
  await queue.idle()
  await store.close()
})
