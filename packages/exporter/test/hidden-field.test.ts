import { describe, expect, it } from 'vitest'

import { hiddenField } from '../src/hidden-field.ts'

describe('a hidden field', () => {
  it('keeps one value on an object, the one set last', () => {
    const field = hiddenField<number>()
    const ids = { traceId: 't' }
    expect(field.get(ids)).toBeUndefined()
    field.set(ids, 1)
    field.set(ids, 2)
    expect(field.get(ids)).toBe(2)
    expect(field.get({ traceId: 't' })).toBeUndefined()
  })

  it('does not see what another field keeps on the same object', () => {
    const [one, other] = [hiddenField<number>(), hiddenField<number>()]
    const ids = {}
    one.set(ids, 1)
    expect(other.get(ids)).toBeUndefined()
    other.set(ids, 2)
    expect([one.get(ids), other.get(ids)]).toEqual([1, 2])
  })

  it('cannot be seen on the object', () => {
    const ids = { traceId: 't' }
    hiddenField<number>().set(ids, 1)
    expect(Reflect.ownKeys(ids)).toEqual(['traceId'])
    expect(structuredClone(ids)).toEqual({ traceId: 't' })
    expect(ids).toStrictEqual({ traceId: 't' })
  })
})
