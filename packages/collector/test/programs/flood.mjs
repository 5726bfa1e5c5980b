// Sends one body many times at once, in a process of its own. Arguments: http or grpc, URL, path, bytes, requests, connections, token.
// Prints how often each status was answered.
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:http2'

const [kind, url, path, bytes, requests, connections, token] = process.argv.slice(2)
// A request of one unknown field: it is decoded, and says nothing.
// Its length is written in four bytes, whatever it is.
const inside = Number(bytes) - 6
const head = Buffer.from([0x9a, 0x06, ...[0, 7, 14, 21].map((shift) => ((inside >> shift) & 127) | (shift < 21 ? 128 : 0))])
const message = Buffer.concat([head, Buffer.alloc(inside)])
const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
const statuses = new Map()

const sends = Array.from({ length: Number(requests) })
if (kind === 'http') await Promise.all(sends.map(overHttp))
else {
  const sessions = Array.from({ length: Number(connections) }, () => connect(url, { maxSessionMemory: 1000 }).on('error', () => undefined))
  // By then it is known how many streams may be open, and those beyond wait here.
  await Promise.all(sessions.map((session) => once(session, 'remoteSettings')))
  await Promise.all(sends.map((_, n) => overGrpc(sessions[n % sessions.length])))
  for (const session of sessions) session.destroy()
}
process.stdout.write(JSON.stringify(Object.fromEntries(statuses)))

function overHttp() {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/x-protobuf', 'content-length': message.length, ...authorization }
    const sent = request(`${url}${path}`, { method: 'POST', headers }, (response) => {
      count(response.statusCode)
      response.resume().on('end', resolve)
    })
    sent.on('error', resolve)
    sent.end(message)
  })
}

function overGrpc(session) {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...authorization,
    })
    const answered = (headers) => headers['grpc-status'] !== undefined && count(headers['grpc-status'])
    stream
      .on('response', answered)
      .on('trailers', answered)
      .on('error', () => undefined)
      .on('close', resolve)
    stream.resume()
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(message.length, 1)
    stream.write(prefix)
    stream.end(message)
  })
}

function count(status) {
  statuses.set(String(status), (statuses.get(String(status)) ?? 0) + 1)
}
