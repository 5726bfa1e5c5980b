import type { Context } from '@opentelemetry/api'
import { stampIdentity, type StampedSpan } from '@spanledger/conventions'

import { currentIdentity } from './context.ts'
import { guarded } from './instrumentation-state.ts'
import { nobody } from './read-identity.ts'

/**
 * Stamps `user.id`, `session.id` and `property.*` on every span that starts in scope, whoever makes it. Put it first
 * among the span processors, so that the others see the stamps. `LedgerSpanProcessor` stamps by itself.
 */
export class IdentitySpanProcessor {
  onStart(span: StampedSpan, parentContext: Context): void {
    guarded('identity', () => {
      const identity = currentIdentity(parentContext)
      if (identity !== nobody) stampIdentity(span, identity)
    })
  }

  onEnd(): void {}

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}
