import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A provider's recorded answer: one body, or the parsed events of a stream. */
export interface Recording {
  readonly name: string
  readonly url: string
  readonly status: number
  readonly streamed: boolean
  readonly events: readonly unknown[]
}

const folder = fileURLToPath(new URL('../../../../shared/data/recordings', import.meta.url))

export const recordingsPresent = existsSync(folder)

/** Every recorded HTTP answer, and every realtime session as a stream of its frames. */
export function readRecordings(): Recording[] {
  const recordings: Recording[] = []
  for (const provider of readdirSync(folder).sort()) {
    if (provider.includes('.')) continue
    for (const file of readdirSync(`${folder}/${provider}`).sort()) {
      const recorded = JSON.parse(readFileSync(`${folder}/${provider}/${file}`, 'utf8'))
      const name = `${provider}/${file.replace(/\.json$/, '')}`
      if (recorded.frames !== undefined) {
        const events = recorded.frames.map((frame: { data: unknown }) => frame.data)
        recordings.push({ name, url: 'wss://realtime', status: 200, streamed: true, events })
        continue
      }
      const { status, body, sse, ndjson, body_base64: base64 } = recorded.response
      const streamed = body === undefined
      const events = streamed ? (base64 === undefined ? jsonLines(sse ?? ndjson) : awsEvents(base64)) : [body]
      recordings.push({ name, url: recorded.request.url, status, streamed, events })
    }
  }
  return recordings
}

/** The JSON values of an SSE or NDJSON body. */
function jsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .map((line) => (line.startsWith('data:') ? line.slice(5) : line).trim())
    .filter((line) => line.startsWith('{'))
    .map((line) => {
      try {
        return JSON.parse(line)
      } catch {
        // openai/parallel-tool-call-wrapper.1 lost the last brace of two events when it was filed.
        return JSON.parse(`${line}}`)
      }
    })
}

/** The payloads of `application/vnd.amazon.eventstream`; those of InvokeModel hold the model's own JSON in `bytes`. */
function awsEvents(base64: string): unknown[] {
  const bytes = Buffer.from(base64, 'base64')
  const events: unknown[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const payload = bytes.subarray(at + 12 + bytes.readUInt32BE(at + 4), at + bytes.readUInt32BE(at) - 4)
    const event = JSON.parse(payload.toString('utf8'))
    events.push(event.bytes === undefined ? event : JSON.parse(Buffer.from(event.bytes, 'base64').toString('utf8')))
  }
  return events
}
