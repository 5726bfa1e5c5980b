import { createServer, type AddressInfo } from 'node:net'

import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, type ServiceDefinition } from '@grpc/grpc-js'

import { encodeSuccess } from '../answer.ts'
import type { Receiver } from '../receiver.ts'
import { signalNames, signals, type SignalName } from '../signals.ts'
import type { TlsKeys } from '../tls.ts'
import { admission, type AdmittedMessage } from './admission.ts'
import { statusOf } from './grpc-status.ts'

export interface GrpcServerOptions {
  readonly maxBodyBytes: number
  readonly maxConnections: number
  readonly requestTimeoutMs: number
  /** Undefined where it speaks without TLS. */
  readonly tls: TlsKeys | undefined
}

/** What a gRPC receiver takes by default anywhere, the OpenTelemetry Collector too; also after decompression. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024
/** Requests of one connection at a time. */
const MAX_STREAMS = 16
/** For one message: OTLP clients give up after 10 s by default (https://opentelemetry.io/docs/specs/otel/protocol/exporter/, read 2026-11-25). */
const MAX_MESSAGE_MS = 10_000
const MAX_IDLE_MS = 300_000

/** The receiver of OTLP/gRPC. */
export interface GrpcServer {
  /** @returns the port */
  listen(host: string, port: number): Promise<number>
  /** Takes nothing more; resolves when what was taken is answered. */
  close(): Promise<void>
  /** Cuts what is still open. */
  cut(): void
  /** New keys, for the connections that come from now on. */
  renewTls(tls: TlsKeys): void
}

/** Serves the three Export methods with messages as bytes: they are decoded as those of HTTP are. */
export function openGrpcServer(receiver: Receiver, { maxBodyBytes, maxConnections, requestTimeoutMs, tls }: GrpcServerOptions): GrpcServer {
  const maxMessageBytes = Math.min(maxBodyBytes, MAX_MESSAGE_BYTES)
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_concurrent_streams': MAX_STREAMS,
    'grpc.max_connection_idle_ms': MAX_IDLE_MS,
    interceptors: [admission(receiver, { maxMessageBytes, timeoutMs: Math.min(requestTimeoutMs, MAX_MESSAGE_MS) })],
  })
  for (const signal of signalNames) {
    server.addService(serviceOf(signal), {
      Export: async (call: ServerUnaryCall<AdmittedMessage, Buffer>, done: sendUnaryData<Buffer>) => {
        try {
          done(null, await answer(receiver, signal, call.request))
        } catch (error) {
          done(statusOf(error))
        }
      },
    })
  }
  let injector = server.createConnectionInjector(credentialsOf(tls))
  // A listener of our own, because that of the library takes any number of connections.
  const listener = createServer((socket) => injector.injectConnection(socket.setNoDelay()))
  listener.maxConnections = maxConnections
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        listener.on('error', reject)
        listener.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port }, () => resolve((listener.address() as AddressInfo).port))
      }),
    close: async () => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      await closed
    },
    cut: () => server.forceShutdown(),
    renewTls: (renewed) => void (injector = server.createConnectionInjector(credentialsOf(renewed))),
  }
}

function credentialsOf(tls: TlsKeys | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure()
  // Of clients the token says who they are, not a certificate.
  return ServerCredentials.createSsl(null, [{ cert_chain: tls.cert, private_key: tls.key }], false)
}

async function answer(receiver: Receiver, signal: SignalName, { sender, body, release }: AdmittedMessage): Promise<Buffer> {
  try {
    const rejected = await receiver.take(sender, { signal, encoding: 'protobuf', isGzip: false, body })
    return encodeSuccess(signal, 'protobuf', rejected)
  } finally {
    release()
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}

function serviceOf(signal: SignalName): ServiceDefinition {
  return {
    Export: {
      path: signals[signal].grpcPath,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  }
}
