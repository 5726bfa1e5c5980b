import {
  addUsage,
  disjointUsage,
  divideHalfEven,
  formatUsd,
  MAX_TOKEN_COUNT,
  parseUsd,
  readTokenCount,
  totalInputTokens,
  totalOutputTokens,
  totalTokens,
  usageBuckets,
  usageOf,
  type TokenCounts,
} from '@spanledger/conventions'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('a token count', () => {
  it.each([
    [0, 0],
    [12, 12],
    ['12', 12],
    [12n, 12],
    [12.0, 12],
    [MAX_TOKEN_COUNT, MAX_TOKEN_COUNT],
  ])('%s is read as %i', (value, count) => {
    expect(readTokenCount(value)).toBe(count)
  })

  it.each([
    -1,
    1.5,
    Number.NaN,
    Infinity,
    1e300,
    MAX_TOKEN_COUNT + 1,
    2n ** 64n,
    '-1',
    '1.5',
    '1e3',
    ' 12',
    '',
    '99999999999',
    null,
    undefined,
    true,
    {},
    [12],
  ])('%s is refused, not clamped', (value) => {
    expect(readTokenCount(value)).toBeUndefined()
  })
})

describe('disjoint usage', () => {
  const cases: [why: string, counts: TokenCounts, inclusive: boolean | undefined, expected: Parameters<typeof usageOf>[0] | undefined][] = [
    ['nothing said is unknown', {}, undefined, undefined],
    ['a total alone is unknown', { total: 10 }, undefined, undefined],
    ['zeros are known', { input: 0, output: 0 }, undefined, {}],
    [
      'OpenAI counts cached tokens in the input',
      { input: 100, output: 10, cacheRead: 40 },
      undefined,
      { inputTokens: 60, cacheReadTokens: 40, outputTokens: 10 },
    ],
    ['more cached than input: the input leaves it out', { input: 3, cacheRead: 40 }, undefined, { inputTokens: 3, cacheReadTokens: 40 }],
    ['Anthropic leaves it out', { input: 100, cacheRead: 40 }, false, { inputTokens: 100, cacheReadTokens: 40 }],
    [
      'a total that adds the cached up proves it left out',
      { input: 100, output: 10, total: 150, cacheRead: 40 },
      true,
      { inputTokens: 100, cacheReadTokens: 40, outputTokens: 10 },
    ],
    [
      'cache writes of both durations',
      { input: 3, cacheWrite5m: 40, cacheWrite1h: 60 },
      false,
      { inputTokens: 3, cacheWrite5mTokens: 40, cacheWrite1hTokens: 60 },
    ],
    [
      'the total of cache writes wins over its split',
      { input: 3, cacheWrite: 3337, cacheWrite5m: 3068 },
      false,
      { inputTokens: 3, cacheWrite5mTokens: 3337 },
    ],
    ['reasoning is part of the output', { output: 100, reasoning: 40 }, undefined, { outputTokens: 60, reasoningTokens: 40 }],
    ['more reasoning than output stands beside it', { output: 1, reasoning: 228 }, undefined, { outputTokens: 1, reasoningTokens: 228 }],
    [
      'a total that adds reasoning up proves it beside',
      { input: 12, output: 300, total: 350, reasoning: 38 },
      undefined,
      { inputTokens: 12, outputTokens: 300, reasoningTokens: 38 },
    ],
    [
      'a total of input and output proves reasoning inside',
      { input: 43, output: 10, total: 53, reasoning: 11 },
      undefined,
      { inputTokens: 43, reasoningTokens: 10 },
    ],
    [
      'a total that adds both up proves both beside',
      { input: 10, output: 10, total: 33, cacheRead: 5, reasoning: 8 },
      undefined,
      { inputTokens: 10, cacheReadTokens: 5, outputTokens: 10, reasoningTokens: 8 },
    ],
    [
      'audio and images are parts of input and output',
      { input: 100, output: 50, audioInput: 30, imageInput: 20, audioOutput: 40 },
      undefined,
      { inputTokens: 50, audioInputTokens: 30, imageInputTokens: 20, outputTokens: 10, audioOutputTokens: 40 },
    ],
    [
      'cached audio is part of both',
      { input: 100, cacheRead: 50, audioInput: 40, audioCacheRead: 30 },
      undefined,
      { inputTokens: 40, cacheReadTokens: 20, audioInputTokens: 10, audioCacheReadTokens: 30 },
    ],
    ['parts cannot be more than the whole', { input: 25, audioInput: 25, imageInput: 600 }, undefined, { audioInputTokens: 25 }],
  ]

  it.each(cases)('%s', (_, counts, inputIncludesCache, expected) => {
    expect(disjointUsage(counts, { inputIncludesCache })).toEqual(expected === undefined ? undefined : usageOf(expected))
  })

  it('never loses or invents a token, and never goes below 0', () => {
    const count = fc.option(fc.nat(1000), { nil: undefined })
    const counts = fc.record({
      input: fc.nat(1000),
      output: fc.nat(1000),
      cacheRead: count,
      cacheWrite: count,
      reasoning: count,
      audioInput: count,
      imageInput: count,
      audioOutput: count,
    })
    fc.assert(
      fc.property(counts, fc.boolean(), (said, inputIncludesCache) => {
        const usage = disjointUsage(said, { inputIncludesCache }) ?? usageOf({})
        for (const bucket of usageBuckets) expect(usage[bucket]).toBeGreaterThanOrEqual(0)
        const cached = (said.cacheRead ?? 0) + (said.cacheWrite ?? 0)
        expect([said.input, said.input + cached]).toContain(totalInputTokens(usage))
        expect([said.output, said.output + (said.reasoning ?? 0)]).toContain(totalOutputTokens(usage))
        expect(totalTokens(usage)).toBe(totalInputTokens(usage) + totalOutputTokens(usage))
      }),
      { numRuns: 2000 },
    )
  })

  it('adds up bucket by bucket', () => {
    expect(addUsage(usageOf({ inputTokens: 1, webSearches: 2 }), usageOf({ inputTokens: 3, reasoningTokens: 4 }))).toEqual(
      usageOf({ inputTokens: 4, webSearches: 2, reasoningTokens: 4 }),
    )
    expect(addUsage()).toEqual(usageOf({}))
  })
})

describe('money', () => {
  it.each([
    ['0.054399', 54_399_000],
    [0.054399, 54_399_000],
    [1.13e-5, 11_300],
    ['1.13E-05', 11_300],
    ['0.0000000005', 0],
    ['0.0000000015', 2],
    ['0.0000000025', 2],
    ['0.00000000250000000000000000001', 3],
    ['9007199.254740991', Number.MAX_SAFE_INTEGER],
    [0, 0],
  ])('reads %s as %i nano-USD', (usd, nano) => {
    expect(parseUsd(usd)).toBe(nano)
  })

  it.each([
    -1,
    '-0.1',
    Number.NaN,
    Infinity,
    '',
    'free',
    '1,5',
    '0x1',
    '9007199.2547409915',
    '1e300',
    1e300,
    null,
    undefined,
    {},
    true,
    '.5',
  ])('refuses %s', (usd) => {
    expect(parseUsd(usd)).toBeUndefined()
  })

  it('writes nine decimals', () => {
    expect([0, 1, 54_399_000, 1_000_000_000, -1_500_000_000, 10n ** 20n].map((nano) => formatUsd(nano))).toEqual([
      '0.000000000',
      '0.000000001',
      '0.054399000',
      '1.000000000',
      '-1.500000000',
      '100000000000.000000000',
    ])
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (nano) => {
        expect(parseUsd(formatUsd(nano))).toBe(nano)
      }),
    )
  })

  it('rounds halves to the even neighbour', () => {
    expect([5n, 15n, 25n, 14n, 16n, 0n].map((dividend) => divideHalfEven(dividend, 10n))).toEqual([0n, 2n, 2n, 1n, 2n, 0n])
  })
})
