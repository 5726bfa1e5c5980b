/** One copy of an LLM SDK, as the instrumentation of a process met it. */
export interface SdkSetup {
  readonly name: string
  readonly version: string | undefined
  /**
   * `patched`: its calls become spans. `out_of_range`: the version is not one we know, so it was left alone.
   * `not_recognised`: the version is known but the methods were not where they should be (a mock, a partial bundle).
   */
  readonly state: 'patched' | 'out_of_range' | 'not_recognised'
  /** The versions that are patched, as a range. */
  readonly supported: string
  /** The app loaded it before the instrumentation was there; calls made in between are not recorded. */
  readonly loadedBefore: boolean
}

/** How the instrumentation of a process is doing: what keeps calls out of the ledger. Plain data. */
export interface AppSetup {
  readonly modules: readonly SdkSetup[]
  /** Whether the preload for ES modules ran. */
  readonly preloaded: boolean
  readonly startedCalls: number
  /** Of these, the ones whose span has ended; the others are not over, or were not when the process ended. */
  readonly endedCalls: number
  /** Calls whose span records nothing: a sampler left them out, or no SDK was registered when they began. */
  readonly unrecordedCalls: number
  /** Failures of ours that the app did not notice, by step. */
  readonly failures: Readonly<Record<string, number>>
}

/** On `globalThis`, because instrumentation and processor of one app may come from two copies of our packages. */
const SLOT = Symbol.for('spanledger.app-setup')
const slots = globalThis as { [SLOT]?: () => AppSetup }

/** Called by the instrumentation when it is made. */
export function tellAppSetup(read: () => AppSetup): void {
  slots[SLOT] = read
}

/** What the instrumentation of this process says; undefined where there is none. */
export function appSetup(): AppSetup | undefined {
  return slots[SLOT]?.()
}
