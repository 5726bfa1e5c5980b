import {
  ResponderBuilder,
  ServerInterceptingCall,
  ServerListenerBuilder,
  type Metadata,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js'

import type { Sender } from '../guard.ts'
import { overloaded, type Receiver } from '../receiver.ts'
import { Refusal } from '../refusal.ts'
import { statusOf } from './grpc-status.ts'
import { MessageGate } from './message-gate.ts'

/** A message, whose it is, and the room in memory that it holds until `release`. */
export interface AdmittedMessage {
  readonly sender: Sender
  readonly body: Buffer
  release(): void
}

/** So many messages come in at a time: the library holds each twice when its last byte is there. */
const MESSAGES_AT_ONCE = 4
/** Who waits for a place holds 64 KiB at most, which is what HTTP/2 lets a client send before it is read. */
const MAX_WAITING = 256

export interface AdmissionOptions {
  readonly maxMessageBytes: number
  /** How long a client may take for its message once it is being read. */
  readonly timeoutMs: number
}

/**
 * Asks whose a call is, and whether there is room for the largest message, before anything of its message is read. The handler
 * gets an `AdmittedMessage`.
 */
export function admission(receiver: Receiver, options: AdmissionOptions): ServerInterceptor {
  const gate = new MessageGate({ places: MESSAGES_AT_ONCE, maxWaiting: MAX_WAITING })
  return (_method, call) => {
    const arrival = new Arrival(call, { receiver, gate, ...options })
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => arrival.admit(metadata, () => next(metadata)))
      .withOnReceiveMessage((body: Buffer, next) => next(arrival.take(body)))
      .withOnReceiveHalfClose((next) => (arrival.end(), next()))
      .withOnCancel(() => arrival.cancel())
      .build()
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build())
  }
}

/** One call, from its headers until its message is handed to the handler. */
class Arrival {
  readonly #call: ServerInterceptingCallInterface
  readonly #options: AdmissionOptions & { readonly receiver: Receiver; readonly gate: MessageGate }
  #sender: Sender | undefined
  #held = 0
  #hasMessage = false
  #isHandedOver = false
  #leave: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(call: ServerInterceptingCallInterface, options: AdmissionOptions & { receiver: Receiver; gate: MessageGate }) {
    this.#call = call
    this.#options = options
  }

  admit(metadata: Metadata, read: () => void): void {
    const { receiver, gate } = this.#options
    try {
      this.#sender = receiver.admit({ authorization: metadata.get('authorization')[0]?.toString(), host: this.#call.getHost() })
      this.#leave = gate.enter(() => this.#begin(read))
      if (this.#leave === undefined) throw overloaded()
    } catch (error) {
      this.#refuse(error)
    }
  }

  take(body: Buffer): AdmittedMessage | undefined {
    // A second message is refused by the library; its room ends with the call.
    if (this.#sender === undefined || this.#hasMessage) return undefined
    this.#hasMessage = true
    this.#hold(body.length)
    return { sender: this.#sender, body, release: () => this.#hold(0) }
  }

  /** Nothing more comes. The place is kept until then: a client might send further messages. */
  end(): void {
    this.#isHandedOver = this.#hasMessage
    this.#stop()
  }

  /** It was answered, or its connection is gone. */
  cancel(): void {
    this.#stop()
    if (!this.#isHandedOver) this.#hold(0)
  }

  #begin(read: () => void): void {
    const { receiver, maxMessageBytes, timeoutMs } = this.#options
    if (!receiver.budget.take(maxMessageBytes)) {
      this.#refuse(overloaded())
      return
    }
    this.#held = maxMessageBytes
    this.#timer = setTimeout(() => this.#refuse(new Refusal('busy', 'The message did not come in time.')), timeoutMs)
    read()
  }

  #refuse(error: unknown): void {
    this.#call.sendStatus({ metadata: null, ...statusOf(error) })
    this.cancel()
  }

  /** Gives back what of the room is not needed. */
  #hold(bytes: number): void {
    this.#options.receiver.budget.giveBack(this.#held - bytes)
    this.#held = bytes
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#leave?.()
    this.#leave = undefined
  }
}
