import { Metadata, Server, ServerCredentials, type ServiceDefinition, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'

import { encodeRetryStatus, encodeSuccess } from '../answer.ts'
import { overloaded, type Receiver } from '../receiver.ts'
import { RETRY_AFTER_SECONDS } from '../refusal.ts'
import { signalNames, signals, type SignalName } from '../signals.ts'
import { toRefusal } from '../to-refusal.ts'

export interface GrpcServerOptions {
  readonly maxBodyBytes: number
}

/** Requests of one connection at a time: each may hold a body in memory. */
const MAX_STREAMS = 64
const MAX_IDLE_MS = 300_000

/** The receiver of OTLP/gRPC. */
export interface GrpcServer {
  /** @returns the port */
  listen(host: string, port: number): Promise<number>
  /** Takes nothing more; resolves when what was taken is answered. */
  close(): Promise<void>
  /** Cuts what is still open. */
  cut(): void
}

/** Serves the three Export methods with messages as bytes: they are decoded as those of HTTP are. */
export function openGrpcServer(receiver: Receiver, { maxBodyBytes }: GrpcServerOptions): GrpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': maxBodyBytes,
    'grpc.max_concurrent_streams': MAX_STREAMS,
    'grpc.max_connection_idle_ms': MAX_IDLE_MS,
  })
  for (const signal of signalNames) {
    server.addService(serviceOf(signal), {
      Export: async (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        try {
          done(null, await answer(receiver, signal, call))
        } catch (error) {
          done(statusOf(error))
        }
      },
    })
  }
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        const address = `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
        server.bindAsync(address, ServerCredentials.createInsecure(), (error, chosen) => (error === null ? resolve(chosen) : reject(error)))
      }),
    close: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    cut: () => server.forceShutdown(),
  }
}

async function answer(receiver: Receiver, signal: SignalName, call: ServerUnaryCall<Buffer, Buffer>): Promise<Buffer> {
  const sender = receiver.admit({ authorization: call.metadata.get('authorization')[0]?.toString(), host: call.getHost() })
  const body = call.request
  if (!receiver.budget.take(body.length)) throw overloaded()
  try {
    const rejected = await receiver.take(sender, { signal, encoding: 'protobuf', isGzip: false, body })
    return encodeSuccess(signal, 'protobuf', rejected)
  } finally {
    receiver.budget.giveBack(body.length)
  }
}

function statusOf(error: unknown): { code: number; details: string; metadata?: Metadata } {
  const refusal = toRefusal(error)
  const { grpc, retry } = refusal.status
  if (!retry) return { code: grpc, details: refusal.message }
  const metadata = new Metadata()
  metadata.set('grpc-status-details-bin', encodeRetryStatus(refusal, RETRY_AFTER_SECONDS))
  return { code: grpc, details: refusal.message, metadata }
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
