import { openStore } from '@spanledger/store'
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
