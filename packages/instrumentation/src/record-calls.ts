import { context, trace, type Attributes, type Context, type Span, type Tracer } from '@opentelemetry/api'
import { propertyAttribute, spanledgerAttributes as ours, stampIdentity, type Identity } from '@spanledger/conventions'

import { STYLE_PROPERTY, styleOf } from './communication-style.ts'
import { fingerprintOf } from './fingerprint.ts'
import { counted, guarded } from './instrumentation-state.ts'
import { LiveCall, type CallOutcome } from './live-call.ts'
import type { LlmApi } from './llm-apis.ts'
import { catchNativeSpan, hasNativeSpans, holdEnd } from './native-span.ts'
import type { ResolvedOptions } from './options.ts'
import { applyOutcome, startSpan, type SpanStart } from './own-span.ts'
import { askForUsage, takeOutHeaders } from './prepare-request.ts'
import { identityOfRequest } from './request-identity.ts'
import { retryIn } from './retry-of.ts'
import { isObject, type SdkClient, type SdkMethod, type SdkRequestOptions, type SdkResource } from './sdk-shapes.ts'
import { serverOf } from './server.ts'
import { watchPromise } from './watch-promise.ts'

/** Who records the calls of a patched method; read anew for each call, because apps set providers late. */
export interface Recorder {
  readonly isEnabled: () => boolean
  readonly tracer: () => Tracer
  readonly options: () => ResolvedOptions
}

/** As `suppressTracing` of @opentelemetry/core sets it; the key is registered, so no dependency is needed. */
const SUPPRESS_TRACING = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/** Wraps a `create` method: the same call, and exactly one span of it. */
export function recordCalls(original: SdkMethod, api: LlmApi, recorder: Recorder): SdkMethod {
  return function create(this: SdkResource, ...args: unknown[]): unknown {
    const plan = guarded('start', () => planCall(this, args, api, recorder))
    if (plan === undefined) return original.apply(this, args)
    if (plan.start === undefined) return original.apply(this, plan.args)
    const run = (): unknown => original.apply(this, plan.args)
    const { _client: client } = this
    return client !== undefined && hasNativeSpans(client)
      ? runNative(client, plan.args, plan.start, recorder, run)
      : runOwn(plan.start, recorder, run)
  }
}

interface CallPlan {
  /** What the SDK gets in the app's place. */
  readonly args: unknown[]
  /** Undefined where the call is not to be recorded. */
  readonly start: (SpanStart & { readonly parent: Context }) | undefined
}

/** @returns undefined when the call is none of ours: switched off, or not a request as we know it */
function planCall(resource: SdkResource, args: unknown[], api: LlmApi, recorder: Recorder): CallPlan | undefined {
  const given = args[0]
  if (!recorder.isEnabled() || !isObject(given)) return undefined
  const { body, bodyHeaders } = takeOutHeaders(given)
  const parent = context.active()
  if (parent.getValue(SUPPRESS_TRACING) === true) return { args: replaceBody(args, body), start: undefined }
  const { _client: client } = resource
  const { _options: clientOptions } = client ?? {}
  const server = serverOf(client)
  const identity = identityOfRequest(parent, {
    body,
    bodyHeaders,
    requestHeaders: isObject(args[1]) ? args[1]['headers'] : undefined,
    defaultHeaders: clientOptions?.defaultHeaders,
    userFields: recorder.options().userFields,
  })
  const asking = askForUsage(api, body, server, recorder.options().includeUsage)
  const { model } = body
  return {
    args: replaceBody(args, asking ?? body),
    start: {
      api,
      body,
      model: typeof model === 'string' ? model : '',
      hidesUsage: asking !== undefined,
      server,
      provider: server.provider ?? api.providerOf(client),
      parent,
      asked: askedOf(parent, { api, body, identity, options: recorder.options() }),
      identity,
    },
  }
}

/** Most calls say nothing of this. */
const nothingAsked: Attributes = {}

/** What is told of the text that was asked, which itself is never kept. */
function askedOf(
  parent: Context,
  { api, body, identity, options }: { api: LlmApi; body: Readonly<Record<string, unknown>>; identity: Identity; options: ResolvedOptions },
): Attributes {
  const { fingerprintKey: key, communicationStyle: labeller } = options
  const retryOf = retryIn(parent)
  const fingerprint = key === undefined ? undefined : guarded('start', () => fingerprintOf(api, body, key))
  // What the app itself says of its users is taken before what their words look like.
  const isSaid = labeller === undefined || identity.properties.has(STYLE_PROPERTY)
  const style = isSaid ? undefined : guarded('start', () => styleOf(api, body, labeller))
  if (retryOf === undefined && fingerprint === undefined && style === undefined) return nothingAsked
  return {
    ...(retryOf === undefined ? {} : { [ours.retryOf]: retryOf }),
    ...(fingerprint === undefined ? {} : { [ours.requestFingerprint]: fingerprint }),
    ...(style === undefined ? {} : { [propertyAttribute(STYLE_PROPERTY)]: style }),
  }
}

function replaceBody(args: unknown[], body: unknown): unknown[] {
  return args[0] === body ? args : [body, ...args.slice(1)]
}

type Start = NonNullable<CallPlan['start']>

function runOwn(start: Start, recorder: Recorder, run: () => unknown): unknown {
  const span = guarded('start', () => startSpan(recorder.tracer(), start, start.parent))
  if (span === undefined) return run()
  if (!span.isRecording()) counted.unrecordedCalls++
  const finish = (outcome: CallOutcome): void => {
    guarded('end', () => applyOutcome(span, outcome))
    span.end()
  }
  const call = new LiveCall(start, { span, finish })
  let returned: unknown
  try {
    returned = context.with(trace.setSpan(start.parent, span), run)
  } catch (error) {
    call.failed(error)
    throw error
  }
  guarded('start', () => watchPromise(returned, call))
  return returned
}

function runNative(client: SdkClient, args: unknown[], start: Start, recorder: Recorder, run: () => unknown): unknown {
  const startOwn = (): Span => startSpan(recorder.tracer(), start, start.parent)
  const options = isObject(args[1]) ? (args[1] as SdkRequestOptions) : undefined
  const { returned, span } = catchNativeSpan(client, options, startOwn, run)
  if (span?.isRecording() === true) {
    guarded('start', () => {
      stampIdentity(span, start.identity)
      if (start.asked !== nothingAsked) span.setAttributes(start.asked)
      const call: LiveCall = new LiveCall(start, { span, finish: holdEnd(span, () => call) })
      watchPromise(returned, call)
    })
  }
  return returned
}
