import type { Attributes } from '@opentelemetry/api'
import {
  attributes as names,
  spanledgerAttributes as ours,
  totalOutputTokens,
  usageOf,
  type AnswerStream,
  type ProviderAnswer,
  type Usage,
} from '@spanledger/conventions'

import { answerAttributes } from './answer-attributes.ts'
import { cancelled, errorFacts, type ErrorFacts } from './error-facts.ts'
import { charactersIn, estimateTokens, inputCharacters } from './estimate.ts'
import { counted, countFailure, guarded } from './instrumentation-state.ts'
import type { LlmApi } from './llm-apis.ts'
import { forgetOpenCall, watchOpenCall, type OpenCall, type OpenPlace } from './open-calls.ts'
import { isObject } from './sdk-shapes.ts'
import type { Server } from './server.ts'

/** What a call needs to know of its request. */
export interface CallRequest {
  readonly api: LlmApi
  readonly body: Readonly<Record<string, unknown>>
  readonly model: string
  readonly provider: string
  readonly server?: Server
  /** We asked for usage where the app did not: what comes of it is hidden from the app. */
  readonly hidesUsage: boolean
}

/** How long an aborted stream may take to end by itself. */
const ABORT_GRACE_MS = 100

/** How a call ended, as its span will say it. */
export interface CallOutcome {
  readonly attributes: Attributes
  readonly error: { readonly message: string | undefined } | undefined
  /** The span must end now: soon nobody takes it any more. */
  readonly atOnce: boolean
}

/** What a call is recorded in. */
export interface CallSpan {
  readonly span: object
  /** What becomes of the span when the call is over. */
  finish(outcome: CallOutcome): void
}

/**
 * One call from its start to its end, which comes exactly once, whatever happens first; nothing here throws. The call
 * holds no stream, promise or response, so those that the app drops can be collected.
 */
export class LiveCall implements OpenCall {
  /** Set when the app awaits the answer; then it is the SDK that reads the body. */
  parsing = false
  /** Set when the app asked for the response unparsed. */
  unparsed = false
  progress = 0
  /** Set when a cache in front of the provider gave the answer. */
  isCacheHit = false
  /** Set when the SDK tried more than once. */
  wasRetried = false
  private isStreaming = false
  private readonly request: CallRequest
  private readonly callSpan: CallSpan
  private readonly startedAtMs = performance.now()
  private readonly place: OpenPlace
  private stream: AnswerStream | undefined
  private signal: AbortSignal | undefined
  private onAbort: (() => void) | undefined
  private firstChunkAfterMs: number | undefined
  private outputCharacters = 0
  private httpStatus: number | undefined
  private isOver = false

  constructor(request: CallRequest, callSpan: CallSpan) {
    this.request = request
    this.callSpan = callSpan
    counted.startedCalls++
    this.place = watchOpenCall(this)
  }

  get span(): object {
    return this.callSpan.span
  }

  /** Whether the app must not see what the server sends because only we asked for usage. */
  get hidesUsage(): boolean {
    return this.request.hidesUsage
  }

  /** Whether what answers is none of the providers' own hosts: a gateway, which may answer from a cache. */
  get goesThroughGateway(): boolean {
    return this.request.server?.provider === undefined
  }

  /** Until the app awaits the answer, and between the chunks of a stream; in between it is the network. */
  get waitsForApp(): boolean {
    return !this.parsing || this.isStreaming
  }

  /** The whole answer, as the SDK parsed it. */
  answered(body: unknown): void {
    if (this.isOver) return
    const { api, provider } = this.request
    this.end(() => {
      const answer = api.readAnswer(body, { provider })
      if (answer.usage !== undefined || !api.isEstimated || !isObject(body))
        return answerAttributes(api, answer, answer.usage ? 'reported' : 'missing')
      return answerAttributes(api, this.estimated(answer, charactersIn(body)), 'estimated')
    })
  }

  /** The answer is a stream; its chunks come as the app reads them. */
  streaming(signal: AbortSignal | undefined): void {
    this.isStreaming = true
    this.stream = this.request.api.openStream({ provider: this.request.provider })
    this.signal = signal
    // Named first, for the reason that stands in shadow.ts.
    const onAbort = (): void => this.aborted()
    this.onAbort = onAbort
    signal?.addEventListener('abort', onAbort, { once: true })
    this.progress++
  }

  /** @returns whether the app may see the chunk; false for the one that only we asked for */
  chunk(chunk: unknown): boolean {
    this.progress++
    try {
      this.firstChunkAfterMs ??= performance.now() - this.startedAtMs
      this.outputCharacters += this.request.api.charactersIn(chunk)
      this.stream?.event(chunk)
      return this.request.hidesUsage ? showWithoutUsage(chunk) : true
    } catch (error) {
      countFailure('stream', error)
      return true
    }
  }

  /** The server has sent all it will send. */
  streamEnded(): void {
    // The SDKs end a stream quietly when its request is aborted. After the last event an abort changes nothing.
    if (this.signal?.aborted === true && !this.isWhole()) this.endFailed(cancelled)
    else this.end(() => this.streamedAttributes(true))
  }

  /** The app stopped reading: no failure, but not the whole answer either. */
  streamLeft(): void {
    this.end(() => this.streamedAttributes(false))
  }

  failed(error: unknown): void {
    if (!this.isOver) this.endFailed(errorFacts(error))
  }

  /** The answer went to the app unread by us, or the app never read it. */
  abandon(): void {
    this.end(() => this.attributesSoFar())
  }

  abandonNow(): void {
    this.end(() => this.attributesSoFar(), { atOnce: true })
  }

  /** An aborted stream usually ends at once, but not always: what has arrived already may still be read, or never. */
  private aborted(): void {
    if (!this.isOver) setTimeout(() => this.streamEnded(), ABORT_GRACE_MS).unref()
  }

  private endFailed({ type, message, httpStatus }: ErrorFacts): void {
    this.httpStatus = httpStatus ?? this.httpStatus
    this.end(() => ({ ...(this.stream !== undefined && this.streamedAttributes(false)), [names.errorType]: type }), {
      error: { message },
    })
  }

  private end(describe: () => Attributes, { error, atOnce = false }: Partial<Pick<CallOutcome, 'error' | 'atOnce'>> = {}): void {
    if (this.isOver) return
    this.isOver = true
    counted.endedCalls++
    forgetOpenCall(this.place)
    if (this.onAbort !== undefined) this.signal?.removeEventListener('abort', this.onAbort)
    const attributes = guarded('answer', describe) ?? missing()
    if (this.isCacheHit) attributes[ours.cacheHit] = true
    if (this.wasRetried) attributes[ours.autoRetry] = 'inside'
    if (this.httpStatus !== undefined) attributes[names.httpResponseStatusCode] = this.httpStatus
    guarded('end', () => this.callSpan.finish({ attributes, error, atOnce }))
  }

  private attributesSoFar(): Attributes {
    return this.stream === undefined ? missing() : this.streamedAttributes(false)
  }

  /** What the chunks said; where they said too little of the usage, the rest is estimated from the length of the text. */
  private streamedAttributes(endedWell: boolean): Attributes {
    const { api } = this.request
    const answer = this.stream?.result()
    if (answer === undefined || this.firstChunkAfterMs === undefined) return missing()
    const isWhole = answer.finishReason !== undefined || (endedWell && !api.alwaysSaysWhyItEnds)
    const attributes =
      answer.usage === undefined
        ? answerAttributes(api, this.estimated(answer, this.outputCharacters), 'estimated')
        : isWhole
          ? answerAttributes(api, answer, 'reported')
          : answerAttributes(api, this.atLeast(answer, answer.usage), 'partial')
    attributes[names.responseTimeToFirstChunk] = this.firstChunkAfterMs / 1000
    return attributes
  }

  private isWhole(): boolean {
    const answer = this.stream?.result()
    return answer?.usage !== undefined && answer.finishReason !== undefined
  }

  private estimated(answer: ProviderAnswer, outputCharacters: number): ProviderAnswer {
    const model = answer.model ?? this.request.model
    return {
      ...answer,
      usage: usageOf({
        inputTokens: estimateTokens(inputCharacters(this.request.body), model),
        outputTokens: estimateTokens(outputCharacters, model),
      }),
    }
  }

  /** The input is known from the first event; of the output only what was read, and no provider bills less than that. */
  private atLeast(answer: ProviderAnswer, usage: Usage): ProviderAnswer {
    const unreported = estimateTokens(this.outputCharacters, answer.model ?? this.request.model) - totalOutputTokens(usage)
    if (unreported <= 0) return answer
    return { ...answer, parts: undefined, usage: { ...usage, outputTokens: usage.outputTokens + unreported } }
  }
}

function missing(): Attributes {
  return { [ours.usageQuality]: 'missing' }
}

/** Takes out of a chunk what the server only sent because we asked for usage. */
function showWithoutUsage(chunk: unknown): boolean {
  if (!isObject(chunk) || !('usage' in chunk)) return true
  if (chunk['usage'] === null) delete chunk['usage']
  else if (Array.isArray(chunk['choices']) && chunk['choices'].length === 0) return false
  return true
}
