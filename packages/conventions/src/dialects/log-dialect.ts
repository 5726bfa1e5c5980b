import type { LogRecord } from '../log-record.ts'
import type { DialectCall } from './dialect.ts'

/** One way in which a coding agent writes an LLM call into a log record. */
export interface LogDialect {
  readonly name: string
  /** Names of the events that may be calls. */
  readonly events: readonly string[]
  /** The call that a record with one of those names stands for; undefined where it stands for none. Never throws. */
  read(log: LogRecord, event: string): LoggedCall | undefined
}

/** A call as a record says it, written when it had ended. */
export interface LoggedCall extends DialectCall {
  readonly durationMs: number | undefined
}
