import { canonicalPropertyKey, usageOf, type LlmCall, type Usage } from '@spanledger/conventions'
import { openPriceBook, type PriceBook, type PriceUsed } from '@spanledger/pricing'
import { openStore, type Store } from '@spanledger/store'

/** A call in a few words; what is left out is ordinary. */
export interface CallWords {
  readonly at: number | string
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly properties?: Readonly<Record<string, string>> | undefined
  readonly provider?: string
  readonly model?: string
  readonly answeredBy?: string
  readonly operation?: string
  readonly status?: LlmCall['status']
  readonly errorClass?: LlmCall['errorClass']
  readonly latencyMs?: number
  readonly ttftMs?: number | undefined
  readonly usage?: Partial<Usage> | null
  readonly quality?: LlmCall['usageQuality']
  readonly sample?: boolean
  readonly cacheHit?: boolean
  readonly cacheVerdict?: LlmCall['cacheVerdict']
  readonly reportedNanoUsd?: number | undefined
  /** Undefined is unpriced. */
  readonly costNanoUsd?: number | undefined
}

let made = 0

export function callOf(words: CallWords): LlmCall & { settled: true } {
  const id = (made++).toString(16)
  const { at, model = 'gpt-4o', provider = 'openai', usage = { inputTokens: 10, outputTokens: 5 }, status = 'ok' } = words
  const startMs = typeof at === 'number' ? at : Date.parse(at)
  return {
    traceId: id.padStart(32, 'a'),
    spanId: id.padStart(16, 'b'),
    parentSpanId: undefined,
    role: 'call',
    startMs,
    durationMs: words.latencyMs ?? 100,
    timeToFirstTokenMs: words.ttftMs,
    operation: words.operation ?? 'chat',
    provider,
    requestedModel: model,
    model: words.answeredBy ?? model,
    responseId: undefined,
    // The ledger's price book below reads the cost from here, so that tests say what each call costs.
    serviceTier: `nano-usd:${'costNanoUsd' in words ? String(words.costNanoUsd) : 1000}`,
    streamed: false,
    status,
    errorClass: words.errorClass ?? (status === 'error' ? 'server_error' : undefined),
    errorType: status === 'ok' ? undefined : '500',
    finishReason: undefined,
    usage: usage === null ? undefined : usageOf(usage),
    usageQuality: usage === null ? 'missing' : (words.quality ?? 'reported'),
    parts: undefined,
    reportedCostNanoUsd: words.reportedNanoUsd,
    ...(words.cacheHit === true ? { cacheHit: true } : {}),
    cacheVerdict: words.cacheVerdict,
    user: words.user,
    session: words.session,
    properties: new Map(
      Object.entries(words.properties ?? {}).map(([name, value]) => [canonicalPropertyKey(name) ?? name, { name, value }]),
    ),
    resourceIdentity: undefined,
    origin: words.sample === true ? 'sample' : 'app',
    faults: [],
    settled: true,
  }
}

/** Says no prices of units: the costs of the words are not what tokens would give. */
const price = { provider: 'test', model: 'any', source: 'test' } as unknown as PriceUsed

/** Prices every call at what its words say. */
const saidPrices: PriceBook = {
  ...openPriceBook(),
  costOf: ({ serviceTier }) => {
    const nanoUsd = serviceTier?.split(':')[1]
    if (nanoUsd === undefined || nanoUsd === 'undefined')
      return { costNanoUsd: undefined, reason: 'unknown_model', detail: 'the words say so' }
    return { costNanoUsd: Number(nanoUsd), price }
  },
}

/** A real ledger in memory (or at a path) that holds some calls, each costing what its words say. */
export async function ledgerOf(calls: readonly CallWords[], options: { timeZone?: string; path?: string } = {}): Promise<Store> {
  const store = await openStore({ path: options.path ?? ':memory:', timeZone: options.timeZone ?? 'UTC', priceBook: saidPrices })
  for (let at = 0; at < calls.length; at += 500) await store.write({ calls: calls.slice(at, at + 500).map(callOf) })
  return store
}
