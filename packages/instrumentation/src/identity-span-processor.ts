import type { Context } from '@opentelemetry/api'
import { endOpenCalls, stampIdentity, type StampedSpan } from '@spanledger/conventions'

import { currentIdentity } from './context.ts'
import { guarded } from './instrumentation-state.ts'
import { nobody } from './read-identity.ts'

/**
 * Stamps `user.id`, `session.id` and `property.*` on every span that starts in scope, whoever makes it. Put it first
 * among the span processors, so that the others see the stamps, and, when the provider is shut down, the calls that are still
 * open: those end then with what is known of them. `LedgerSpanProcessor` does both by itself.
 */
export class IdentitySpanProcessor {
  /** That of our provider, which all of its spans share. */
  #resource: unknown

  onStart(span: StampedSpan, parentContext: Context): void {
    this.#resource ??= resourceOf(span)
    guarded('identity', () => {
      const identity = currentIdentity(parentContext)
      if (identity !== nobody) stampIdentity(span, identity)
    })
  }

  onEnd(): void {}

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {
    endOpenCalls((span) => resourceOf(span) === this.#resource)
  }
}

function resourceOf(span: object): unknown {
  return 'resource' in span ? span.resource : undefined
}
