import { createHash } from 'node:crypto'

import { mergeIdentities, readId, readProperties, type Identity } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('an id', () => {
  it.each([
    ['user-123', 'user-123'],
    ['  user-123\n', 'user-123'],
    ['User-123', 'User-123'],
    ['e\u0301milie', 'émilie'],
    ['🧑‍🚀', '🧑‍🚀'],
    ['__proto__', '__proto__'],
    ["Robert'); DROP TABLE users;--", "Robert'); DROP TABLE users;--"],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    [42, '42'],
    [10n ** 20n, '100000000000000000000'],
    [true, 'true'],
    ['x'.repeat(512), 'x'.repeat(512)],
    ['é'.repeat(256), 'é'.repeat(256)],
  ])('%s is kept as %s', (value, id) => {
    expect(readId(value)).toEqual({ id, outcome: 'kept' })
  })

  it.each(['', '  ', 'undefined', 'null', ' NaN', '(none)', '[object Object]', undefined, null, Number.NaN, Infinity, {}, [], Symbol('u')])(
    '%s is none',
    (value) => {
      expect(readId(value)).toEqual({ id: undefined, outcome: 'absent' })
    },
  )

  it.each(['a\u0000b', 'a\nb', '\ud800', 'a\udc00', '\u007f'])('%j is refused', (value) => {
    expect(readId(value)).toEqual({ id: undefined, outcome: 'refused' })
  })

  it('of more than 512 bytes is kept as its hash, so that two long ids stay two', () => {
    const long = 'é'.repeat(257)
    expect(readId(long)).toEqual({ id: `sha256:${createHash('sha256').update(long).digest('hex')}`, outcome: 'hashed' })
    expect(readId(`${'x'.repeat(10_000)}1`).id).not.toBe(readId(`${'x'.repeat(10_000)}2`).id)
  })

  it('is read the same when read again', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const { id, outcome } = readId(value)
        expect(outcome === 'kept' || outcome === 'hashed').toBe(id !== undefined)
        expect(id === undefined ? undefined : readId(id).id).toBe(id)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('properties', () => {
  it('are kept as text by canonical key, with the spelling of the name', () => {
    const pairs: [string, unknown][] = [
      ['User-Type', 'pro'],
      ['count', 3],
      ['beta', false],
      ['big', 2n ** 64n],
      ['empty', ''],
      ['list', ['a', 1]],
      ['object', { a: 1 }],
      ['none', null],
      ['nan', Number.NaN],
      ['missing', undefined],
    ]
    expect(readProperties(pairs)).toEqual({
      properties: new Map([
        ['user_type', { name: 'User-Type', value: 'pro' }],
        ['count', { name: 'count', value: '3' }],
        ['beta', { name: 'beta', value: 'false' }],
        ['big', { name: 'big', value: '18446744073709551616' }],
        ['empty', { name: 'empty', value: '' }],
        ['list', { name: 'list', value: '["a",1]' }],
        ['object', { name: 'object', value: '{"a":1}' }],
      ]),
      faults: [],
    })
  })

  it('of two spellings keep the later', () => {
    expect([
      ...readProperties([
        ['Plan', 'free'],
        ['PLAN', 'pro'],
      ]).properties,
    ]).toEqual([['plan', { name: 'PLAN', value: 'pro' }]])
  })

  it('are cut, cleaned or refused, and each is counted', () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    const { properties, faults } = readProperties([
      ['long', 'v'.repeat(10_000)],
      ['split', `${'v'.repeat(1022)}🚀🚀`],
      ['nul', 'a\u0000b'],
      ['surrogate', 'a\ud800b'],
      ['__proto__', 'polluted'],
      ['\ud800', 'x'],
      ['circular', circular],
    ])
    expect([...properties].map(([key, { value }]) => [key, value])).toEqual([
      ['long', `${'v'.repeat(1023)}…`],
      ['split', `${'v'.repeat(1022)}\ufffd…`],
      ['nul', 'a\ufffdb'],
      ['surrogate', 'a\ufffdb'],
    ])
    expect(faults).toEqual([...Array<string>(4).fill('property_value_cut'), ...Array<string>(2).fill('property_key_refused')])
    expect(Object.prototype).not.toHaveProperty('polluted')
  })

  it('above 64 keep the same 64, whatever their order', () => {
    const pairs = Array.from({ length: 10_000 }, (_, n): [string, number] => [`key-${String(n).padStart(5, '0')}`, n])
    const { properties, faults } = readProperties(pairs)
    expect([...properties.keys()]).toEqual(Array.from({ length: 64 }, (_, n) => `key_${String(n).padStart(5, '0')}`))
    expect(readProperties(pairs.toReversed()).properties).toEqual(properties)
    expect(faults).toEqual(Array(9936).fill('properties_over_limit'))
  })
})

describe('several identities', () => {
  const identity = (user: string | undefined, session: string | undefined, pairs: [string, string][]): Identity => ({
    user,
    session,
    properties: readProperties(pairs).properties,
  })

  it('merge with the most specific first, property by property', () => {
    expect(
      mergeIdentities([
        identity(undefined, 's-1', [['plan', 'pro']]),
        identity('u-1', 's-2', [
          ['Plan', 'free'],
          ['feature', 'chat'],
        ]),
      ]),
    ).toEqual({
      user: 'u-1',
      session: 's-1',
      properties: new Map([
        ['plan', { name: 'plan', value: 'pro' }],
        ['feature', { name: 'feature', value: 'chat' }],
      ]),
    })
  })
})
