import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseFilter } from '../../src/query/filter.ts'
import { parseQuery } from '../../src/query/query.ts'
import { parseWhere, QueryError, type Filter } from '../../src/index.ts'

describe('a filter in text', () => {
  it('reads as the filter in data', () => {
    const cases: Record<string, Filter> = {
      'plan = pro': ['is', 'plan', ['pro']],
      'plan = pro and feature in (chat, "doc analysis") and cost_usd > 0.01': [
        'and',
        ['is', 'plan', ['pro']],
        ['is', 'feature', ['chat', 'doc analysis']],
        ['gt', 'cost_usd', 0.01],
      ],
      'plan=pro or plan!=free and not (model ~ gpt or model ^= claude)': [
        'or',
        ['is', 'plan', ['pro']],
        ['and', ['is_not', 'plan', ['free']], ['not', ['or', ['contains', 'model', ['gpt']], ['starts_with', 'model', ['claude']]]]],
      ],
      'exists property:plan and missing user': ['and', ['exists', 'property:plan'], ['missing', 'user']],
      "'my key' not in ('it\\'s')": ['is_not', 'my key', ["it's"]],
      'user = (none)': ['is', 'user', ['(none)']],
      'latency_ms >= 1e3 AND ttft_ms<=20': ['and', ['gte', 'latency_ms', 1000], ['lte', 'ttft_ms', 20]],
      'user = "a\\"b"': ['is', 'user', ['a"b']],
      'in = in': ['is', 'in', ['in']],
    }
    for (const [text, filter] of Object.entries(cases)) expect(parseWhere(text)).toEqual(filter)
  })

  it('says where it stops to be one', () => {
    for (const text of [
      'plan',
      'plan =',
      'plan = pro and',
      '(plan = pro',
      'plan = pro)',
      'plan > much',
      'plan in ()',
      'a = b c = d',
      'x ; y',
      '"open',
      '',
    ]) {
      expect(() => parseWhere(text)).toThrow(/^Filter .*(expected|cannot read)/)
    }
  })

  it('never fails otherwise than with a QueryError, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.constantFrom('(', ')', 'a', ' and ', ' or ', 'not ', '=', '"', 'in', ',', '>') }),
        ),
        (text) => {
          expect(faultOf(() => parseFilter(parseWhere(text)))).toBeUndefined()
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('a filter in data', () => {
  it('is bounded in depth, parts and values', () => {
    const leaf: Filter = ['is', 'user', ['a']]
    const nested = (depth: number): Filter => (depth === 1 ? leaf : ['not', nested(depth - 1)])
    expect(() => parseFilter(nested(5))).not.toThrow()
    expect(() => parseFilter(nested(6))).toThrow('too many levels')
    expect(() => parseFilter(['and', ...Array.from({ length: 99 }, () => leaf)])).not.toThrow()
    expect(() => parseFilter(['and', ...Array.from({ length: 100 }, () => leaf)])).toThrow('too many parts')
    expect(() => parseFilter(['is', 'user', Array.from({ length: 1000 }, String)])).not.toThrow()
    expect(() => parseFilter(['is', 'user', Array.from({ length: 1001 }, String)])).toThrow('too many values')
  })

  it('takes the parts of and, or as arguments or as one list', () => {
    expect(
      parseFilter([
        'or',
        [
          ['is', 'user', ['a']],
          ['exists', 'session'],
        ],
      ]),
    ).toEqual(parseFilter(['or', ['is', 'user', ['a']], ['exists', 'session']]))
  })

  it('never fails otherwise than with a QueryError, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (where, by) => {
        expect(faultOf(() => parseQuery({ metrics: ['requests'], where, by }))).toBeUndefined()
        expect(faultOf(() => parseFilter([where, by]))).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })
})

/** What was thrown, other than what may be. */
function faultOf(work: () => unknown): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof QueryError ? undefined : error
  }
}
