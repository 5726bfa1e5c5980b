import { trace } from '@opentelemetry/api'

import { instrumentationState } from './instrumentation-state.ts'
import { isPatched } from './patch.ts'
import { isObject } from './sdk-shapes.ts'
import { callMethodsOf } from './sdks.ts'

/** Something that keeps calls out of the ledger, in a sentence that says what to do. */
export interface SetupFinding {
  readonly problem:
    | 'no_provider'
    | 'nothing_patched'
    | 'client_not_patched'
    | 'loaded_before'
    | 'out_of_range'
    | 'not_recognised'
    | 'failures'
  readonly message: string
}

/**
 * Says what is wrong with the set-up of this process, after its first calls or at its start. Pass the clients that the
 * app uses: only so can it be seen that an ES module was imported before the instrumentation.
 * @returns nothing found: an empty list
 */
export function checkSetup(...clients: readonly object[]): readonly SetupFinding[] {
  const { modules, failures } = instrumentationState()
  const findings: SetupFinding[] = []
  if (!hasProvider()) {
    findings.push({
      problem: 'no_provider',
      message: 'No tracer provider is registered: spans go nowhere. Start the OpenTelemetry SDK first.',
    })
  }
  for (const client of clients) {
    const methods = callMethodsOf(client)
    if (methods.length > 0 && methods.every(isPatched)) continue
    findings.push({
      problem: 'client_not_patched',
      message: `Calls of ${client.constructor.name} are not recorded. If it is imported as an ES module, start with: node --import @spanledger/instrumentation/register. Or pass it to instrument().`,
    })
  }
  if (clients.length === 0 && !modules.some(({ state }) => state === 'patched')) {
    findings.push({
      problem: 'nothing_patched',
      message: 'No SDK was patched yet: none was loaded, or it was imported as an ES module without the preload.',
    })
  }
  for (const { name, version, state, supported, loadedBefore } of modules) {
    const module = `${name} ${version ?? '(unknown version)'}`
    if (state === 'out_of_range') findings.push({ problem: state, message: `${module} is not instrumented: supported is ${supported}.` })
    if (state === 'not_recognised')
      findings.push({ problem: state, message: `${module}: its methods were not found. Pass the client to instrument().` })
    if (loadedBefore) {
      findings.push({
        problem: 'loaded_before',
        message: `${module} was loaded before LlmInstrumentation; calls made until then were not recorded.`,
      })
    }
  }
  for (const [place, count] of Object.entries(failures)) {
    findings.push({
      problem: 'failures',
      message: `Recording failed ${count} times in step "${place}"; the calls themselves were not touched.`,
    })
  }
  return findings
}

/** The API hands out a stand-in until a provider is registered. */
function hasProvider(): boolean {
  const provider: unknown = trace.getTracerProvider()
  const delegate: unknown =
    isObject(provider) && typeof provider['getDelegate'] === 'function' ? Reflect.apply(provider['getDelegate'], provider, []) : provider
  return isObject(delegate) && delegate.constructor.name !== 'NoopTracerProvider'
}
