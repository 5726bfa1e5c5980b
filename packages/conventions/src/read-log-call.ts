import { createHash } from 'node:crypto'

import { claudeCodeLogs } from './dialects/claude-code.ts'
import { codex } from './dialects/codex.ts'
import { geminiCli } from './dialects/gemini-cli.ts'
import type { LogDialect, LoggedCall } from './dialects/log-dialect.ts'
import type { CallOrigin, LlmCall } from './llm-call.ts'
import { eventNamesOf, type LogRecord } from './log-record.ts'
import { toCall } from './read-call.ts'

const dialectOfEvent: ReadonlyMap<string, LogDialect> = new Map(
  [claudeCodeLogs, codex, geminiCli].flatMap((dialect) => dialect.events.map((event) => [event, dialect] as const)),
)

/**
 * Reads a log record as the LLM call of a coding agent (Claude Code, Codex, Gemini CLI).
 *
 * A record has no span of its own, so the call's span id is a hash of what tells records apart, and so is its trace id where
 * the record belongs to no trace: the same record, sent again, is the same call. Within a span it is that span's child.
 * @returns undefined when the record is no LLM call. Never throws, whatever it holds.
 */
export function readLogCall(log: LogRecord, origin: CallOrigin): LlmCall | undefined {
  for (const event of eventNamesOf(log)) {
    const said = dialectOfEvent.get(event)?.read(log, event)
    if (said !== undefined) return callOfLog(log, said, { event, origin })
  }
  return undefined
}

function callOfLog(log: LogRecord, said: LoggedCall, { event, origin }: { event: string; origin: CallOrigin }): LlmCall {
  const hash = fingerprint(log, said, event)
  const traceId = idOrUndefined(log.traceId, 32)
  const span = {
    traceId: traceId ?? hash.slice(0, 32),
    spanId: hash.slice(32, 48),
    parentSpanId: traceId === undefined ? undefined : idOrUndefined(log.spanId, 16),
    name: event,
    startMs: log.timeMs - (said.durationMs ?? 0),
    endMs: log.timeMs,
    statusCode: said.status === 'ok' ? 0 : 2,
    statusMessage: undefined,
    scopeName: log.scopeName,
    scopeVersion: log.scopeVersion,
    attributes: log.attributes,
    resourceAttributes: log.resourceAttributes,
    droppedAttributes: log.droppedAttributes,
  }
  return toCall(span, said, origin)
}

/** Of what a Collector on the way does not change. Values as text: 5, 5n and "5" are one in different encodings. */
function fingerprint(log: LogRecord, said: LoggedCall, event: string): string {
  const { input, output, cacheRead, cacheWrite, reasoning } = said.counts
  const parts = [event, log.timeMs, log.traceId, log.spanId, said.user, said.session, said.requestedModel, said.responseId]
  const more = [said.durationMs, log.attributes['event.sequence'], input, output, cacheRead, cacheWrite, reasoning]
  return createHash('sha256')
    .update([...parts, ...more].map(asText).join('\u0000'))
    .digest('hex')
}

function asText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? String(value) : ''
}

function idOrUndefined(id: string | undefined, length: number): string | undefined {
  return id !== undefined && id.length === length && /^[0-9a-f]+$/.test(id) && !/^0+$/.test(id) ? id : undefined
}
