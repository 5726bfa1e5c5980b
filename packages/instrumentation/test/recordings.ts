import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../../../../shared/data/recordings/', import.meta.url))

export const hasRecordings = existsSync(folder)

/** A recorded answer in one of the wire formats that the instrumented SDKs speak. */
export interface Recording {
  readonly name: string
  readonly format: 'chat/completions' | 'completions' | 'responses' | 'embeddings' | 'messages'
  readonly request: Record<string, unknown>
  readonly status: number
  readonly body: unknown
  /** The events of a stream, with their blank lines. */
  readonly events: readonly string[] | undefined
}

interface RecordingFile {
  readonly request?: { readonly url: string; readonly body?: unknown }
  readonly response: { readonly status: number; readonly body?: unknown; readonly sse?: string }
}

export function readRecordings(): Recording[] {
  if (!hasRecordings) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes('/') && name.endsWith('.json'))
    .sort()
    .flatMap((name) => toRecording(name, JSON.parse(readFileSync(folder + name, 'utf8')) as RecordingFile) ?? [])
}

function toRecording(name: string, { request, response }: RecordingFile): Recording | undefined {
  const format = /\/(chat\/completions|completions|responses|embeddings|messages)(?:\?|$)/.exec(request?.url ?? '')?.[1] as
    | Recording['format']
    | undefined
  if (format === undefined) return undefined
  const body = typeof request?.body === 'object' && request.body !== null ? (request.body as Record<string, unknown>) : {}
  return {
    name,
    format,
    request: { model: 'unknown-model', messages: [], ...body },
    status: response.status,
    body: response.body,
    events: response.sse?.split(/(?<=\r?\n\r?\n)/).filter((event) => event.trim() !== ''),
  }
}

/** The events up to the first that is no JSON or is an error: what an SDK hands to the app. */
export function deliveredEvents(events: readonly string[]): unknown[] {
  const delivered: unknown[] = []
  for (const event of events) {
    const data = event
      .split(/\r?\n/)
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trim())
      .join('\n')
    if (data === '' || data === '[DONE]') continue
    try {
      const json = JSON.parse(data) as { error?: unknown; type?: unknown }
      if (json.error !== undefined || json.type === 'error') break
      delivered.push(json)
    } catch {
      break
    }
  }
  return delivered
}
