import { diag } from '@opentelemetry/api'
import type { AppSetup, SdkSetup } from '@spanledger/conventions'

/** Where a failure of ours was caught; the app noticed none of them. */
export type FailurePlace = 'patch' | 'start' | 'answer' | 'stream' | 'end' | 'identity' | 'event' | 'sweep'

/** One copy of an SDK that the app loaded. */
export type SdkModuleState = SdkSetup

/** What the instrumentation of this process did so far. Plain data, for `doctor` and for an app's health page. */
export interface InstrumentationState extends AppSetup {
  /** Of the ended: streams and answers that the app never read to an end, closed after the idle time or because the app ended. */
  readonly abandonedCalls: number
  /** Ids and properties that had to be hashed, cut or refused, by fault. */
  readonly identityFaults: Readonly<Record<string, number>>
  /** Events of `track` that no SDK recorded: none is registered, or its sampler leaves them out. */
  readonly unrecordedEvents: number
  readonly failures: Readonly<Record<string, number>>
}

/** Set by register.mjs, which runs before any of our modules. */
const PRELOADED = Symbol.for('spanledger.preloaded')

export const counted = {
  modules: new Map<string, SdkModuleState>(),
  startedCalls: 0,
  endedCalls: 0,
  unrecordedCalls: 0,
  abandonedCalls: 0,
  identityFaults: new Map<string, number>(),
  unrecordedEvents: 0,
  failures: new Map<FailurePlace, number>(),
}

/** What the instrumentation of this process did so far. */
export function instrumentationState(): InstrumentationState {
  return {
    modules: [...counted.modules.values()],
    preloaded: PRELOADED in globalThis,
    startedCalls: counted.startedCalls,
    endedCalls: counted.endedCalls,
    unrecordedCalls: counted.unrecordedCalls,
    abandonedCalls: counted.abandonedCalls,
    identityFaults: Object.fromEntries(counted.identityFaults),
    unrecordedEvents: counted.unrecordedEvents,
    failures: Object.fromEntries(counted.failures),
  }
}

/** Records a copy of an SDK; of two copies of one version the one that was patched is kept. */
export function countModule(module: SdkModuleState): void {
  const key = `${module.name}@${module.version ?? 'unknown'}`
  const known = counted.modules.get(key)
  if (known?.state === 'patched' && module.state !== 'patched') return
  counted.modules.set(key, { ...module, loadedBefore: module.loadedBefore || known?.loadedBefore === true })
}

export function countIdentityFaults(faults: readonly string[]): void {
  for (const fault of faults) counted.identityFaults.set(fault, (counted.identityFaults.get(fault) ?? 0) + 1)
}

/** Counts a failure of ours, and says the first one of each place. */
export function countFailure(place: FailurePlace, error: unknown): void {
  const before = counted.failures.get(place) ?? 0
  counted.failures.set(place, before + 1)
  if (before > 0) return
  try {
    diag.warn(`spanledger: ${place} failed; the call itself was not touched. Further failures of this kind are only counted.`, error)
  } catch {
    // A logger that throws is the app's; there is nobody left to tell, and the failure is counted.
  }
}

/** Runs a step of telemetry. What it throws is counted and goes no further. */
export function guarded<Result>(place: FailurePlace, step: () => Result): Result | undefined {
  try {
    return step()
  } catch (error) {
    countFailure(place, error)
    return undefined
  }
}
