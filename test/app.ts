import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Attributes, Tracer } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { openAnalytics, type Query } from '@spanledger/analytics'
import { LedgerSpanProcessor, type LedgerSpanProcessorOptions } from '@spanledger/exporter'
import { openStore } from '@spanledger/store'
import { onTestFinished } from 'vitest'

/** A folder of its own for a test, gone after it. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function tempLedger(): string {
  return join(tempFolder(), 'ledger.db')
}

/** An app with an SDK of OpenTelemetry whose spans go into a ledger. */
export function startApp(
  options: LedgerSpanProcessorOptions,
  attributeCountLimit = 128,
): { tracer: Tracer; processor: LedgerSpanProcessor } {
  const processor = new LedgerSpanProcessor(options)
  onTestFinished(() => processor.shutdown())
  const provider = new BasicTracerProvider({ spanProcessors: [processor], spanLimits: { attributeCountLimit } })
  return { tracer: provider.getTracer('app'), processor }
}

/** A chat of 1,000 tokens in and 100 out on a model with a price. */
export const usualCall: Attributes = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.provider.name': 'openai',
  'gen_ai.request.model': 'gpt-4o-mini',
  'gen_ai.usage.input_tokens': 1000,
  'gen_ai.usage.output_tokens': 100,
}

/** The usual call, except where the attributes say otherwise. */
export function makeCall(tracer: Tracer, attributes: Attributes = {}): void {
  tracer.startSpan('chat gpt-4o-mini', { attributes: { ...usualCall, ...attributes } }).end()
}

/** What a ledger answers to a question, a row as its cells in order. */
export async function ask(path: string, query: Query): Promise<unknown[][]> {
  const store = await openStore({ path, readOnly: true })
  try {
    const { columns, rows } = await openAnalytics(store).query(query)
    return rows.map((row) => columns.map(({ key }) => row[key]))
  } finally {
    await store.close()
  }
}

/** What reading and writing had to mend or refuse so far. */
export async function countersOf(path: string): Promise<Record<string, number>> {
  const store = await openStore({ path, readOnly: true })
  try {
    return Object.fromEntries(await store.counters())
  } finally {
    await store.close()
  }
}

/** What a ledger finds wrong with itself. */
export async function faultsOf(path: string): Promise<readonly unknown[]> {
  const store = await openStore({ path, readOnly: true })
  try {
    return (await store.verify()).checks.filter((check) => !check.ok)
  } finally {
    await store.close()
  }
}
