import { describe, expect, it } from 'vitest'

import { capturesPresent, readCapture, type Billed, type Capture, type CapturedCall } from './captured.ts'
import { gaps, type Captured, type Gap } from './gaps.ts'
import { sumsOfRequests, sumUp, type Sums } from './ledger.ts'

const nothing: Capture = { requests: [], single: [], calls: [] }

describe.skipIf(!capturesPresent)('what libraries really sent', () => {
  describe.each(Object.entries(gaps))('%s', (name, { each, known }) => {
    const { requests, single, calls } = capturesPresent ? readCapture(name) : nothing
    const expected = expectedSums(calls, each, known)

    it('adds up to what was made, by whom, with which tokens, but for the gaps that are known', async () => {
      expect(await sumsOfRequests(requests)).toEqual(expected)
    })

    it('adds up to the same span by span, in another encoding, last one first, and sent twice', async () => {
      expect(await sumsOfRequests(single)).toEqual(expected)
      expect(await sumsOfRequests(single.toReversed())).toEqual(expected)
      expect(await sumsOfRequests([...requests, ...single, ...requests])).toEqual(expected)
    })
  })
})

it.runIf(!capturesPresent)('skipped: ../shared not present', () => expect(capturesPresent).toBe(false))

function expectedSums(calls: readonly CapturedCall[], each: Captured['each'], known: readonly Gap[]): Sums {
  return sumUp(
    calls.flatMap((call) => {
      const gap: Partial<Gap> = Object.assign({}, ...known.filter(({ of }) => of.includes(call.id)))
      if (gap.lost === true) return []
      return attemptsOf(call, each).map(({ status, model_resp, billed = {} }) => {
        const { user, session, props } = gap.nobody === true ? {} : call
        const model = gap.alias === true ? call.model : (model_resp ?? call.model)
        return {
          who: [user ?? undefined, session ?? undefined, model, status < 400 ? 'ok' : 'error', props?.['plan'], props?.['region']],
          numbers: [1, ...usageOf(gap.usage === 'none' ? {} : { ...billed, ...gap.usage })],
        }
      })
    }),
  )
}

/** Those of a call's requests to the provider that the library makes a span of. */
function attemptsOf({ wire }: CapturedCall, each: Captured['each']): CapturedCall['wire'] {
  if (each === 'call') return wire.slice(-1)
  return each === 'attempt' ? wire : wire.filter(({ status }, n) => status < 400 || n === wire.length - 1)
}

/** Whether there is none, and the tokens in buckets that do not overlap. */
function usageOf(billed: Billed): number[] {
  const { input = 0, cached = 0, cache_write = 0, output = 0, reasoning = 0 } = billed
  return [Number(billed.input === undefined), input - cached - cache_write, cached, cache_write, output - reasoning, reasoning]
}
