import { describe, expect, it } from 'vitest'

import { changeLedger, readCounters, readEvents, readLines, startCollector } from './running.ts'
import { callAttributes, makeSpans, post, serialize, type MadeSpan } from './spans.ts'

const call: MadeSpan = { attributes: callAttributes() }
const refused: MadeSpan = { attributes: callAttributes({ 'gen_ai.usage.input_tokens': 666 }) }
const event: MadeSpan = {
  name: 'spanledger.goal',
  attributes: { 'spanledger.goal.name': 'done', 'spanledger.goal.outcome': 'success', 'user.id': 'ada' },
}

/** Posts one request for each list of spans, all at once. */
function postAll(url: string, requests: readonly (readonly MadeSpan[])[]): Promise<Response[]> {
  return Promise.all(requests.map((spans) => post(url, serialize.json(makeSpans(spans)), { encoding: 'json' })))
}

describe('a ledger in which something is broken', () => {
  it('takes what does not need it, and the sender of what does keeps all of it until it is mended', async () => {
    const faults: unknown[] = []
    const { httpUrl, path, close } = await startCollector({ onFault: (error) => faults.push(error) })
    await changeLedger(path, 'CREATE TRIGGER broken BEFORE INSERT ON events BEGIN INSERT INTO missing VALUES (1); END')
    const requests = [[event], [call], [call, event], [call, call], [event], [call]]
    const answers = await postAll(httpUrl, requests)
    expect(answers.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual(
      requests.map((spans) => (spans.includes(event) ? [503, '1'] : [200, null])),
    )
    expect(faults.length).toBeGreaterThan(0)
    expect((await post(httpUrl, serialize.protobuf(makeSpans([event])))).status).toBe(503)
    await changeLedger(path, 'DROP TRIGGER broken')
    expect((await postAll(httpUrl, [[event], [call, event], [event]])).map(({ status }) => status)).toEqual([200, 200, 200])
    await close()
    // The call of the request that was refused is there too: its sender would send it again.
    expect([(await readLines(path)).length, (await readEvents(path)).length, await readCounters(path)]).toEqual([6, 3, {}])
  })

  it('takes the calls of a request whose events it has no place for, and counts them once when all of it is sent again', async () => {
    const { httpUrl, path, close } = await startCollector()
    await changeLedger(path, 'CREATE TRIGGER broken BEFORE INSERT ON events BEGIN INSERT INTO missing VALUES (1); END')
    const body = serialize.protobuf(makeSpans([call, event, call]))
    expect((await post(httpUrl, body)).status).toBe(503)
    expect((await readLines(path)).length).toBe(2)
    await changeLedger(path, 'DROP TRIGGER broken')
    expect((await post(httpUrl, body)).status).toBe(200)
    await close()
    expect([(await readLines(path)).length, (await readEvents(path)).length]).toEqual([2, 1])
  })

  it('that takes nothing at all says so of each request, and rejects no span', async () => {
    const { httpUrl, path, close } = await startCollector()
    await changeLedger(path, 'ALTER TABLE llm_calls RENAME TO lost')
    const answers = await postAll(httpUrl, [[call], [call], [call, call], [event, call]])
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503])
    await changeLedger(path, 'ALTER TABLE lost RENAME TO llm_calls')
    await close()
    expect([await readLines(path), await readEvents(path), await readCounters(path)]).toEqual([[], [], {}])
  })
})

it('a call that no ledger would take is rejected and counted, and takes nothing else down with it', async () => {
  const { httpUrl, path, close } = await startCollector()
  await changeLedger(
    path,
    "CREATE TRIGGER refuse BEFORE INSERT ON llm_calls WHEN NEW.input_tokens = 666 BEGIN SELECT raise(ABORT, 'refused'); END",
  )
  const requests = [[call, call, refused, event], [call], [refused], [call, event]]
  const answers = await postAll(httpUrl, requests)
  const rejected = {
    partialSuccess: { rejectedSpans: '1', errorMessage: 'Not taken: 1 span (1 refused by the ledger).' },
  }
  expect(await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()]))).toEqual(
    requests.map((spans) => [200, spans.includes(refused) ? rejected : {}]),
  )
  await close()
  expect([(await readLines(path)).length, (await readEvents(path)).length, await readCounters(path)]).toEqual([
    4,
    2,
    { refused_by_store: 2 },
  ])
})
