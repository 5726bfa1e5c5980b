import { diag, trace, type Tracer, type TracerProvider } from '@opentelemetry/api'
import { tellAppSetup } from '@spanledger/conventions'

import { resolveOptions, type LlmInstrumentationOptions } from './options.ts'
import { patchClient, patchModule, sdks } from './sdks.ts'
import { guarded, instrumentationState } from './instrumentation-state.ts'
import { INSTRUMENTATION_NAME, INSTRUMENTATION_VERSION } from './version.ts'

export interface InstrumentOptions extends Pick<
  LlmInstrumentationOptions,
  'includeUsage' | 'userFields' | 'fingerprintKey' | 'communicationStyle'
> {
  /** Where the spans go; by default to the provider registered with the OpenTelemetry API. */
  readonly tracerProvider?: TracerProvider | undefined
}

/**
 * Records the calls of an SDK that no module hook can see: in bundles, in ES module apps without the preload, in other
 * runtimes. Takes a client, its class, or the module; the class is patched, so every client of it is recorded. Doing it
 * twice, or beside `LlmInstrumentation`, changes nothing.
 * @returns what was passed in
 */
export function instrument<Target extends object>(clientOrModule: Target, options: InstrumentOptions = {}): Target {
  tellAppSetup(instrumentationState)
  guarded('patch', () => {
    const resolved = resolveOptions(options)
    const recorder = {
      isEnabled: () => true,
      tracer: tracerFrom(options.tracerProvider),
      options: () => resolved,
    }
    const patched = sdks.reduce(
      (sum, sdk) => sum + (patchClient(sdk, clientOrModule, recorder) || patchModule(sdk, clientOrModule, recorder)),
      0,
    )
    if (patched === 0)
      diag.warn('spanledger: instrument() found no method to record; pass a client of openai or @anthropic-ai/sdk, or the module.')
  })
  return clientOrModule
}

/** The tracer of a provider, or of the one that is registered when a call is made; asked for once, because each asking costs. */
function tracerFrom(given: TracerProvider | undefined): () => Tracer {
  let provider: TracerProvider | undefined
  let tracer: Tracer | undefined
  return () => {
    // Another one after `trace.disable()`; a tracer that was taken before a provider was registered follows by itself.
    const now = given ?? trace.getTracerProvider()
    if (tracer === undefined || provider !== now) {
      provider = now
      tracer = now.getTracer(INSTRUMENTATION_NAME, INSTRUMENTATION_VERSION)
    }
    return tracer
  }
}
