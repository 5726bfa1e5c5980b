import { canonicalPropertyKey, MAX_PROPERTY_KEY_LENGTH } from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('a property key', () => {
  it.each(['User-Type', 'user_type', 'USER TYPE', ' user--type ', '_user_Type_', 'user\u00a0type', 'user\ttype'])(
    'of %j is user_type',
    (name) => {
      expect(canonicalPropertyKey(name)).toBe('user_type')
    },
  )

  it.each([
    ['Ünïcödé', 'ünïcödé'],
    ['u\u0308ber', 'über'],
    ['Plan.Tier', 'plan.tier'],
    ['🚀 launch', '🚀_launch'],
    ["'; DROP TABLE llm_calls; --", "';_drop_table_llm_calls;"],
    ['<b>plan</b>', '<b>plan</b>'],
  ])('of %j keeps what is not case, space, - or _: %j', (name, key) => {
    expect(canonicalPropertyKey(name)).toBe(key)
  })

  it.each(['', '  ', '-_ -', '__proto__', 'Prototype', ' CONSTRUCTOR', '_constructor-', 'a\u0000b', 'a\u001bb', '\ud800'])(
    'is refused for %j',
    (name) => {
      expect(canonicalPropertyKey(name)).toBeUndefined()
    },
  )

  it('is cut and marked above 128 characters, never in the middle of one', () => {
    expect(canonicalPropertyKey('k'.repeat(128))).toBe('k'.repeat(128))
    expect(canonicalPropertyKey('k'.repeat(10_000))).toBe(`${'k'.repeat(127)}…`)
    expect(canonicalPropertyKey(`${'k'.repeat(126)}🚀🚀`)).toBe(`${'k'.repeat(126)}…`)
  })

  it('is its own key, whatever the name', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 300 }), fc.stringMatching(/^[-_ A-Za-z]*$/)), (name) => {
        const key = canonicalPropertyKey(name)
        expect(key === undefined || (key.isWellFormed() && key.length <= MAX_PROPERTY_KEY_LENGTH)).toBe(true)
        expect(key === undefined ? undefined : canonicalPropertyKey(key)).toBe(key)
      }),
      { numRuns: 2000 },
    )
  })
})
