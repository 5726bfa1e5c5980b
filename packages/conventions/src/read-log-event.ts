import type { LedgerEvent } from './ledger-event.ts'
import type { CallOrigin } from './llm-call.ts'
import { eventNamesOf, type LogRecord } from './log-record.ts'
import { EVALUATION_EVENT, readEvaluation } from './read-event.ts'

/**
 * Reads a log record as an event beside calls: `gen_ai.evaluation.result`, of the span or the response that it names.
 * @returns undefined when the record is no event. Never throws, whatever it holds.
 */
export function readLogEvent(log: LogRecord, origin: CallOrigin): LedgerEvent | undefined {
  return eventNamesOf(log).includes(EVALUATION_EVENT) ? readEvaluation(log, origin) : undefined
}
