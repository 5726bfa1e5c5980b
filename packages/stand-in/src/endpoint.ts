import type { BilledPart } from './billed.ts'
import type { Directions } from './directions.ts'
import type { Fault, ProviderName } from './provider-error.ts'
import type { SeededRandom } from './seeded-random.ts'

/** One path of a provider's API. */
export interface Endpoint {
  readonly provider: ProviderName
  /** Every parameter that the provider knows; any other one is refused, as the provider refuses it. */
  readonly parameters: ReadonlySet<string>
  /** What is wrong with a body whose parameters are known, or undefined. */
  faultOf(body: Record<string, unknown>): Fault | undefined
  reply(request: EndpointRequest): Reply
}

export interface EndpointRequest {
  readonly body: Record<string, unknown>
  readonly model: string
  readonly directions: Directions
  readonly random: SeededRandom
  /** An id that no other answer has. */
  readonly newId: (prefix: string) => string
  readonly nowS: number
}

/** An answer in its wire format, whole or as a stream, with what is charged when all of it was sent. */
export interface Reply {
  readonly body: unknown
  /** Present where the request asked for a stream. */
  readonly stream: Stream | undefined
  readonly billed: readonly BilledPart[]
  readonly responseId: string | undefined
}

export interface Stream {
  readonly frames: readonly Frame[]
  /** What the provider sends when it fails in the middle, after so many frames. */
  errorFrames(framesSent: number): readonly Frame[]
}

/** One server-sent event. */
export interface Frame {
  readonly event?: string
  readonly data: unknown
  /** The frame carries a piece of the text. */
  readonly isPiece?: boolean
}
