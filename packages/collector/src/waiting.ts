import type { LedgerItems, OtlpRequest } from './ledger-items.ts'
import type { Rejections } from './rejections.ts'

/** A request from when it came until it is answered. */
export interface Waiting {
  readonly request: OtlpRequest
  readonly rejections: Rejections
  /** While it is being read. */
  opened: LedgerItems | undefined
  /** Whether it was refused while parts of it were still to come. */
  isRefused: boolean
  accept(): void
  refuse(error: unknown): void
}
