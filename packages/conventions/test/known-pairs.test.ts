import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readProperties } from '@spanledger/conventions'

const name = fc.oneof(fc.constantFrom('plan', 'Plan', 'feature', '__proto__', ''), fc.string({ unit: 'grapheme', maxLength: 70 }))
const value = fc.oneof(
  fc.constantFrom('pro', 'free', '', 1, '1', true, 'true', -0, 0, Number.NaN, null, undefined),
  fc.string({ unit: 'binary', maxLength: 70 }),
  fc.array(fc.string()),
)
const pairs = fc.array(fc.tuple(name, value), { maxLength: 70 })

/** A pair that says nothing and is not remembered, so that the whole is read anew. */
const anew = ['', undefined] as const

describe('properties that were read before', () => {
  it('are what reading them anew gives, whatever was read in between', () => {
    fc.assert(
      fc.property(fc.array(pairs, { maxLength: 8 }), (sets) => {
        for (const set of [...sets, ...sets]) expect(readProperties(set)).toEqual(readProperties([...set, anew]))
      }),
    )
  })

  it('are right also after more sets than are remembered', () => {
    for (let n = 0; n < 5000; n++) readProperties([['request', `r-${n}`]])
    expect(readProperties([['request', 'r-1']]).properties.get('request')).toEqual({ name: 'request', value: 'r-1' })
  })

  it('are in memory once, of a set that comes again and again', () => {
    const set = (): [string, unknown][] => [
      ['plan', 'pro'],
      ['feature', 'chat'],
    ]
    for (let n = 0; n < 20; n++) readProperties(set())
    expect(readProperties(set()).properties).toBe(readProperties(set()).properties)
  })

  it('are in memory once also where most other sets come once', () => {
    const shared = (): ReadonlyMap<string, unknown> => readProperties([['plan', 'team']]).properties
    const once = (n: number): ReadonlyMap<string, unknown> => readProperties([['request', `once-${n}`]]).properties
    const seen: ReadonlyMap<string, unknown>[] = []
    for (let n = 0; n < 10_000; n++) {
      once(n)
      seen.push(shared())
    }
    expect(new Set(seen.slice(-1000)).size).toBeLessThan(50)
  })

  it('are read anew where a value is an object, which may have changed', () => {
    const tags = ['a']
    const before = readProperties([['tags', tags]]).properties.get('tags')
    tags.push('b')
    expect(before?.value).toBe('["a"]')
    expect(readProperties([['tags', tags]]).properties.get('tags')?.value).toBe('["a","b"]')
  })
})
