import type { Bag } from './bag.ts'

/** What a span or log record shares with others of its request. */
export interface Scope {
  readonly resourceAttributes: Bag
  readonly scopeName: string
  readonly scopeVersion: string
}
