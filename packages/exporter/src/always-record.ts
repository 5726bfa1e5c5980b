/** The part of a Sampler that is wrapped; `decision` is 0 not record, 1 record only, 2 record and sample, in all SDKs. */
export interface WrappedSampler {
  shouldSample(...args: never[]): { decision: number }
  toString(): string
}

/**
 * Wraps a sampler so that what it leaves out is still recorded: exporters go on seeing only what it sampled, and
 * `LedgerSpanProcessor` sees every call. Must be the outermost sampler, e.g. `alwaysRecord(new ParentBasedSampler(…))`.
 * The SDK's own `createAlwaysRecordSampler` (@opentelemetry/sdk-trace since 2.12.1) does the same.
 * @returns the sampler, and in `rescuedSpans` how many spans would not have been recorded without it
 */
export function alwaysRecord<Sampler extends WrappedSampler>(sampler: Sampler): Sampler & { readonly rescuedSpans: number } {
  let rescuedSpans = 0
  const wrapper: WrappedSampler & { readonly rescuedSpans: number } = {
    shouldSample: (...args) => {
      const result = sampler.shouldSample(...args)
      if (result.decision !== 0) return result
      rescuedSpans++
      return { ...result, decision: 1 }
    },
    toString: () => `AlwaysRecord{${sampler.toString()}}`,
    get rescuedSpans() {
      return rescuedSpans
    },
  }
  return wrapper as Sampler & { readonly rescuedSpans: number }
}
