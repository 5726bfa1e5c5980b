import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

import { contentTypes, encodeStatus } from '../answer.ts'
import { Refusal, RETRY_AFTER_SECONDS } from '../refusal.ts'

/**
 * Answers a request of which nothing can be made, with what any other refusal has, and ends its connection. What it was to be
 * encoded in may not be known: the answer is in JSON.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const refusal = refusalOf(error.code)
  const body = encodeStatus('json', refusal)
  const { http, retry } = refusal.status
  const headers = [
    `HTTP/1.1 ${http} ${STATUS_CODES[http] ?? ''}`,
    'Connection: close',
    `Content-Type: ${contentTypes.json}`,
    `Content-Length: ${body.length}`,
    ...(retry ? [`Retry-After: ${RETRY_AFTER_SECONDS}`] : []),
  ]
  socket.write(`${headers.join('\r\n')}\r\n\r\n`)
  socket.write(body)
  socket.destroySoon()
}

/** By the code of Node's error. */
function refusalOf(code: string | undefined): Refusal {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      // Not 408, which clients do not send again: what they have would be lost for one slow connection.
      return new Refusal('busy', 'The request took too long to arrive. Send it again, or fewer spans at a time.')
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal('headers_too_large', 'The URL and the headers are too long.')
    default:
      return new Refusal('undecodable', 'The request is no HTTP that can be read.')
  }
}
