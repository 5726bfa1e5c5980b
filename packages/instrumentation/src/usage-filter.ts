import { guarded } from './instrumentation-state.ts'
import type { LiveCall } from './live-call.ts'
import { isObject } from './sdk-shapes.ts'

/** The bytes of an event stream on their way to an app, in the pieces in which the network brings them. */
export interface UsageFilter {
  /** @returns what may go on by now, which may be nothing: an event is held until it is whole */
  pass(bytes: Uint8Array): Uint8Array
  /** What is left when the server has sent all. */
  rest(): Uint8Array
}

/** The blank line behind an event. Both halves of one CRLF are no blank line. */
const EVENT_END = /\r\n\r\n|\n\r\n|\n\n|\r\r/g
/** In valid JSON an unescaped quote behind a comma or brace begins a key or a value, never the text of a string. */
const NULL_USAGE = /,[ \t]*"usage"[ \t]*:[ \t]*null|(?<=\{[ \t]*)"usage"[ \t]*:[ \t]*null[ \t]*,?[ \t]*/g

/**
 * Shows the events of a stream to a call, and takes out of the bytes what the server only sent because we asked for
 * usage: the event with the usage, and `"usage":null` in the others. All else goes through byte by byte.
 */
export function usageFilter(call: LiveCall): UsageFilter {
  // One character a byte, so that cutting never touches what it does not cut, broken UTF-8 included.
  let held = ''
  let searched = 0
  const show = (event: string): string => guarded('stream', () => shownEvent(event, call)) ?? event
  return {
    pass(bytes) {
      held += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
      let shown = ''
      let from = 0
      // The blank line may have begun in the piece before.
      EVENT_END.lastIndex = Math.max(0, searched - 3)
      while (EVENT_END.test(held)) {
        shown += show(held.slice(from, EVENT_END.lastIndex))
        from = EVENT_END.lastIndex
      }
      held = held.slice(from)
      searched = held.length
      return toBytes(shown)
    },
    rest() {
      const shown = held === '' ? '' : show(held)
      held = ''
      return toBytes(shown)
    },
  }
}

function toBytes(text: string): Uint8Array {
  // A copy of its own: the app may transfer or keep the memory, and Node's small buffers share one.
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

/** @returns '' for the event that only we asked for */
function shownEvent(event: string, call: LiveCall): string {
  const chunk = parsed(Buffer.from(event, 'latin1').toString('utf8'))
  if (!isObject(chunk)) return event
  if (isObject(chunk['error'])) call.failed(chunk['error'])
  const isNull = chunk['usage'] === null
  if (!call.chunk(chunk)) return ''
  return isNull ? withoutNullUsage(event) : event
}

/** Cuts the key at the top of the chunk; the same key further down, a tool's say, is none of ours. */
function withoutNullUsage(event: string): string {
  const { usage: _usage, ...expected } = parsed(event) as Record<string, unknown>
  for (const { index, 0: found } of event.matchAll(NULL_USAGE)) {
    const cut = event.slice(0, index) + event.slice(index + found.length)
    if (JSON.stringify(parsed(cut)) === JSON.stringify(expected)) return cut
  }
  return event
}

/** The data of an event; undefined for a comment, `[DONE]` and whatever else is no JSON. */
function parsed(event: string): unknown {
  const data = event
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5))
    .join('\n')
  if (!data.trimStart().startsWith('{')) return undefined
  try {
    return JSON.parse(data) as unknown
  } catch {
    return undefined
  }
}
