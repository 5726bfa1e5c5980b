import type { Row } from '@spanledger/analytics'
import { formatUsd } from '@spanledger/conventions'
import type { PriceBook } from '@spanledger/pricing'
import type { WrittenCall } from '@spanledger/store'

import type { Source } from '../import/import-file.ts'
import { importFiles, type ImportOptions, type ImportSummary } from '../import/import-files.ts'

const SHOWN_CALLS = 10

/** Reads files to their end and writes nothing: what would become of their records, and the first calls as they are understood. */
export async function dryRun(
  sources: readonly Source[],
  options: Omit<ImportOptions, 'store' | 'see'>,
  book: PriceBook,
): Promise<{ summary: ImportSummary; first: readonly Row[] }> {
  const first: Row[] = []
  const unpriced = new Map<string, number>()
  const see = (calls: readonly WrittenCall[], { file }: Source): void => {
    for (const call of calls) {
      const { usage, parts, provider, model, requestedModel, serviceTier, startMs } = call
      const { costNanoUsd } = book.costOf({ usage, parts, provider, model, requestedModel, serviceTier, at: startMs })
      if (costNanoUsd === undefined) unpriced.set(file.path, (unpriced.get(file.path) ?? 0) + 1)
      if (first.length < SHOWN_CALLS) first.push(shownCall(call, costNanoUsd))
    }
  }
  const summary = await importFiles(sources, { ...options, store: undefined, see })
  for (const file of summary.files) {
    file.unpriced = unpriced.get(file.file) ?? 0
    summary.totals.unpriced += file.unpriced
  }
  return { summary, first }
}

function shownCall(call: WrittenCall, costNanoUsd: number | undefined): Row {
  const { usage } = call
  return {
    time: new Date(call.startMs).toISOString(),
    user: call.user ?? null,
    session: call.session ?? null,
    provider: call.provider,
    model: call.model,
    status: call.status,
    input_tokens: usage?.inputTokens ?? null,
    cache_read_tokens: usage?.cacheReadTokens ?? null,
    cache_write_tokens: usage === undefined ? null : usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    output_tokens: usage?.outputTokens ?? null,
    reasoning_tokens: usage?.reasoningTokens ?? null,
    latency_ms: call.durationMs,
    cost_usd: costNanoUsd === undefined ? null : formatUsd(costNanoUsd),
    reported_cost_usd: call.reportedCostNanoUsd === undefined ? null : formatUsd(call.reportedCostNanoUsd),
    properties: [...call.properties.values()].map(({ name, value }) => `${name}=${value}`).join('; '),
  }
}
