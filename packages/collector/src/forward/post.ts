import { request as requestHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Readable } from 'node:stream'

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Buffer>
  readonly signal: AbortSignal
}

/**
 * Posts a body that is never in memory as a whole; `fetch` would copy it.
 * @throws where there is no answer
 */
export function post(url: string, { headers, body, signal }: PostOptions): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp
  const source = Readable.from(body)
  return new Promise<{ status: number; headers: IncomingHttpHeaders }>((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, signal }, (response: IncomingMessage) => {
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers })
        // It was answered before all of it was sent.
        if (!sent.writableFinished) sent.destroy()
      })
      response.resume()
    })
    sent.on('error', reject)
    source.on('error', (error) => sent.destroy(error))
    source.pipe(sent)
  }).finally(() => source.destroy())
}
