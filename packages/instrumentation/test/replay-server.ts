import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the server answers, to whatever is asked. */
export interface Replay {
  readonly status?: number
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent one after the other; a stream's events, each with its blank line. */
  readonly pieces: readonly string[]
  /** How the connection ends after the last piece; `open`: not by the server. */
  readonly end?: 'well' | 'broken' | 'open'
  /** Where this is so, another answer comes from the next request on. */
  readonly waitMs?: number
}

export interface ReplayServer {
  readonly url: string
  /** Bodies of the requests so far, as they arrived. */
  readonly bodies: unknown[]
  answer: Replay
  close(): Promise<void>
}

/** Replays recorded answers over real HTTP on the loopback. */
export async function startReplayServer(): Promise<ReplayServer> {
  const bodies: unknown[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(JSON.parse(Buffer.concat(chunks).toString() || 'null'))
      void send(response, replayServer.answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const replayServer: ReplayServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    answer: { pieces: [] },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return replayServer
}

export function json(body: unknown, status = 200): Replay {
  return { status, pieces: [JSON.stringify(body)] }
}

export function sse(pieces: readonly string[], end: Replay['end'] = 'well'): Replay {
  return { contentType: 'text/event-stream', pieces, end }
}

/** Chunks of a chat completion as OpenAI sends them. */
export function chatEvents(...chunks: readonly object[]): string[] {
  return [...chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`), 'data: [DONE]\n\n']
}

async function send(
  response: ServerResponse,
  { status = 200, contentType = 'application/json', headers = {}, pieces, end = 'well', waitMs = 0 }: Replay,
): Promise<void> {
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
  response.writeHead(status, { 'content-type': contentType, ...headers })
  response.flushHeaders()
  for (const piece of pieces) response.write(piece)
  if (end === 'well') response.end()
  // The pieces must have left before the connection breaks.
  else if (end === 'broken') setTimeout(() => response.destroy(), 5)
}
