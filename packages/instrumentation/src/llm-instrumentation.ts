import { createRequire } from 'node:module'
import { sep } from 'node:path'

import { diag } from '@opentelemetry/api'
import {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
  type InstrumentationModuleDefinition,
} from '@opentelemetry/instrumentation'
import { tellAppSetup } from '@spanledger/conventions'

import { allowBaggage } from './baggage.ts'
import { countModule, guarded, instrumentationState } from './instrumentation-state.ts'
import { sweepEvery } from './open-calls.ts'
import { resolveOptions, type LlmInstrumentationOptions, type ResolvedOptions } from './options.ts'
import type { Recorder } from './record-calls.ts'
import { isInRange, patchModule, sdks, supportedRange, unpatchModule, type Sdk } from './sdks.ts'
import { INSTRUMENTATION_NAME, INSTRUMENTATION_VERSION } from './version.ts'

/**
 * OpenTelemetry instrumentation for `openai` and `@anthropic-ai/sdk`: one span for each call to a model, with what it
 * used and who made it. CommonJS apps need nothing else; ES module apps start with
 * `node --import @spanledger/instrumentation/register`, bundled ones call `instrument()`.
 */
export class LlmInstrumentation extends InstrumentationBase<LlmInstrumentationOptions> {
  // Set inside super(), by way of init() and setConfig(): an initialiser here would undo that.
  declare private resolved: ResolvedOptions | undefined

  constructor(options?: LlmInstrumentationOptions | null) {
    super(INSTRUMENTATION_NAME, INSTRUMENTATION_VERSION, options ?? {})
    this.setConfig(options)
  }

  override setConfig(given?: LlmInstrumentationOptions | null): void {
    const options = given ?? {}
    super.setConfig(options)
    this.resolved = resolveOptions(options)
    allowBaggage(this.resolved.baggage)
    sweepEvery(this.resolved.idleMs / 2)
  }

  protected override init(): InstrumentationModuleDefinition[] {
    const recorder: Recorder = {
      isEnabled: () => this.isEnabled(),
      tracer: () => this.tracer,
      options: () => (this.resolved ??= resolveOptions(this.getConfig())),
    }
    tellAppSetup(instrumentationState)
    guarded('patch', () => patchLoaded(recorder))
    // The range is ours to check: the base class passes over a version outside it without a word.
    return sdks.map((sdk) => {
      const definition: InstrumentationModuleDefinition = new InstrumentationNodeModuleDefinition(
        sdk.name,
        ['*'],
        (moduleExports: unknown, version) => {
          patchSdk(sdk, moduleExports, version, recorder, false)
          return moduleExports
        },
        (moduleExports: unknown) => {
          guarded('patch', () => unpatchModule(sdk, moduleExports))
        },
      )
      definition.includePrerelease = true
      return definition
    })
  }
}

/** Patches one copy of an SDK, or says why not; in both cases it can be seen in `instrumentationState()`. */
function patchSdk(sdk: Sdk, moduleExports: unknown, version: string | undefined, recorder: Recorder, loadedBefore: boolean): void {
  guarded('patch', () => {
    const supported = supportedRange(sdk)
    const inRange = isInRange(sdk, version)
    const state = !inRange ? 'out_of_range' : patchModule(sdk, moduleExports, recorder) > 0 ? 'patched' : 'not_recognised'
    countModule({ name: sdk.name, version, state, supported, loadedBefore })
    const loaded = `spanledger: ${sdk.name} ${version ?? '(unknown version)'}`
    if (state === 'out_of_range') diag.warn(`${loaded} is not instrumented: supported is ${supported}. Its calls are not recorded.`)
    if (state === 'not_recognised') diag.warn(`${loaded} is not instrumented: its methods were not found. Pass the client to instrument().`)
    if (loadedBefore) diag.warn(`${loaded} was loaded before LlmInstrumentation was created; calls made until now are not recorded.`)
  })
}

/**
 * CommonJS modules that the app required before us stand in the cache; their classes are patched in place. What was
 * imported as an ES module before us cannot be reached from here: `checkSetup()` finds it.
 */
function patchLoaded(recorder: Recorder): void {
  const require = createRequire(import.meta.url)
  for (const [path, cached] of Object.entries(require.cache)) {
    if (cached?.loaded !== true) continue
    const sdk = sdks.find(({ name }) => isMainFile(path, name))
    if (sdk === undefined) continue
    const { version } = require(path.slice(0, path.lastIndexOf(sep) + 1) + 'package.json') as { version?: string }
    patchSdk(sdk, cached.exports, version, recorder, true)
  }
}

function isMainFile(path: string, name: string): boolean {
  return path.endsWith(['', 'node_modules', ...name.split('/'), 'index.js'].join(sep))
}
