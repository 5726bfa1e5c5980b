import { setTimeout as sleep } from 'node:timers/promises'

/** What a client has sent, and what of it was acknowledged: span ids and their input tokens. */
export interface Sent {
  readonly sent: ReadonlyMap<string, number>
  readonly acknowledged: ReadonlySet<string>
  /** Requests that got no answer or were to be sent again. */
  readonly retries: number
}

/**
 * Sends batches of calls until it is stopped, each again and again until it is answered with 200, as exporters do. Stopped
 * within a batch, it leaves that one.
 */
export async function sendUntil(
  stopped: () => boolean,
  { url, client, maxBatches = Infinity, timeoutMs = 5000 }: { url: () => string; client: number; maxBatches?: number; timeoutMs?: number },
): Promise<Sent> {
  const sent = new Map<string, number>()
  const acknowledged = new Set<string>()
  let retries = 0
  for (let batch = 0; batch < maxBatches && !stopped(); batch++) {
    const spans = Array.from({ length: 1 + ((batch * 7) % 40) }, (_, n) => spanOf(client, batch * 100 + n))
    for (const span of spans) sent.set(span.spanId, span.tokens)
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: spans.map(({ json }) => json) }] }] })
    for (; !stopped(); retries++) {
      if (await isTaken(url(), body, timeoutMs)) {
        for (const span of spans) acknowledged.add(span.spanId)
        break
      }
      await sleep(20)
    }
  }
  return { sent, acknowledged, retries }
}

async function isTaken(url: string, body: string, timeoutMs: number): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
    })
    // An answer that is cut off is none.
    return answer.status === 200 && (await answer.text()) === '{}'
  } catch {
    return false
  }
}

function spanOf(client: number, n: number): { spanId: string; tokens: number; json: object } {
  const spanId = `${(client + 1).toString(16).padStart(8, '0')}${(n + 1).toString(16).padStart(8, '0')}`
  const tokens = 1 + (n % 1000)
  const startNanos = BigInt(Date.UTC(2026, 0, 15, 12) + n) * 1_000_000n
  return {
    spanId,
    tokens,
    json: {
      traceId: `${spanId}${spanId}`,
      spanId,
      name: 'chat',
      startTimeUnixNano: String(startNanos),
      endTimeUnixNano: String(startNanos + 500_000_000n),
      attributes: [
        { key: 'gen_ai.operation.name', value: { stringValue: 'chat' } },
        { key: 'gen_ai.provider.name', value: { stringValue: 'openai' } },
        { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o-mini' } },
        { key: 'gen_ai.usage.input_tokens', value: { intValue: String(tokens) } },
        { key: 'user.id', value: { stringValue: `user-${n % 50}` } },
      ],
    },
  }
}
