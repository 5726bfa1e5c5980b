import fc from 'fast-check'
import { expect, it } from 'vitest'

import { knownName } from '../src/decode/known-names.ts'

it('a name is what its bytes say, whatever was read before; what is no ASCII or too long is left to others', () => {
  const names = fc.oneof(
    fc.string({ maxLength: 70 }),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom('', 'user.id', 'gen_ai.a'),
  )
  fc.assert(
    fc.property(fc.array(names, { minLength: 1, maxLength: 3000, size: 'max' }), fc.nat({ max: 9 }), (texts, before) => {
      for (const text of [...texts, ...texts]) {
        const bytes = Buffer.from('x'.repeat(before) + text + 'behind')
        const length = Buffer.byteLength(text)
        const isKept = length <= 64 && bytes.every((byte) => byte < 128)
        expect(knownName(bytes, before, before + length)).toBe(isKept ? text : undefined)
      }
    }),
    { numRuns: 20 },
  )
})
