import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  checkLimit,
  defineExperiments,
  defineTiers,
  getUserExperiment,
  getUserMetrics,
  getUserSegment,
  loadUserMetrics,
} from '../src/index.ts'
import { temporaryFolder, writeLedger } from './run-command.ts'

const refuse = (): never => {
  throw new Error('refused')
}
/** What an app passes on when it takes an id from a request without looking. */
const hostile: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  number: 7,
  NaN: Number.NaN,
  bigint: 7n,
  boolean: true,
  symbol: Symbol('ada'),
  object: {},
  'object without prototype': Object.create(null),
  'object that refuses to be text': { toString: refuse, valueOf: refuse },
  'proxy that refuses everything': new Proxy({}, { get: refuse }),
  array: ['ada'],
  function: () => 'ada',
  'empty text': '',
  blank: ' \t ',
  __proto__: '__proto__',
  constructor: 'constructor',
  'lone surrogate': '\ud800',
  'null byte': 'a\0b',
  'name of nobody': '(none)',
  'right to left': '\u202eada',
  'a million characters': 'x'.repeat(1_000_000),
}

const folder = temporaryFolder()
beforeAll(async () => {
  defineExperiments({ ui: { variants: ['control', 'b'] } })
  await writeLedger(join(folder, 'ledger.db'), [{ at: '2026-01-05T10:00:00Z', user: 'ada', properties: { plan: 'free' } }])
})
afterAll(() => rmSync(folder, { recursive: true }))

const words = (of: (id: string) => unknown): string[] =>
  Object.entries(hostile).flatMap(([name, id]) => {
    try {
      return [typeof of(id as string)]
    } catch (error) {
      return [`${name} threw ${String(error)}`]
    }
  })

describe.each(['before', 'after'])('%s a ledger is loaded', (when) => {
  beforeAll(async () => {
    if (when === 'before') return
    await loadUserMetrics({ store: join(folder, 'ledger.db') })
    await defineTiers({ free: { where: 'plan = free', monthly_request_limit: 10 } })
  })

  it('no id makes a question of the app throw', () => {
    const all = (type: string): string[] => Object.keys(hostile).map(() => type)
    expect(words(getUserMetrics)).toEqual(all('object'))
    expect(words(checkLimit)).toEqual(all('object'))
    expect(words(getUserSegment)).toEqual(all('object'))
    expect(words((id) => getUserExperiment(id, 'ui'))).toEqual(all('string'))
    expect(words((name) => getUserExperiment('ada', name))).toEqual(all('string'))
  })

  it('what is no id is nobody: unknown, allowed, and in no experiment', () => {
    for (const name of ['undefined', 'null', 'object', 'empty text', 'blank', 'name of nobody', 'symbol', 'lone surrogate']) {
      const id = hostile[name] as string
      expect([name, getUserMetrics(id).known, checkLimit(id).allowed, getUserSegment(id)]).toEqual([name, false, true, null])
      expect([name, getUserExperiment(id, 'ui')]).toEqual([name, 'control'])
    }
  })
})

it('a user is in one variant in whichever spelling of the id the ledger keeps as one', () => {
  const users = Array.from({ length: 50 }, (_, n) => `ad\u00e9-${n}`)
  expect(users.map((user) => getUserExperiment(` ${user.normalize('NFD')}\n`, 'ui'))).toEqual(
    users.map((user) => getUserExperiment(user, 'ui')),
  )
  expect(new Set(users.map((user) => getUserExperiment(user, 'ui')))).toEqual(new Set(['control', 'b']))
})
