import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Identity } from '@spanledger/conventions'
import fc from 'fast-check'
import { expect, it, onTestFinished, vi } from 'vitest'

import { openStore, type Batch, type SpanLink, type Store, type WrittenCall } from '../src/index.ts'
import { settleAlone, settleTraces } from '../src/traces/settle.ts'
import { migrations } from '../src/schema/schema.ts'
import { openSqlite } from '../src/sqlite/sqlite.ts'
import { call, flatPrices } from './calls.ts'

const traceId = 'f'.repeat(32)
const spanId = (n: number): string => (0xa000 + n).toString(16).padStart(16, '0')

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'ledger.db')
}

/** A trace of three levels: a root with a user, agents below it, and calls below these, some of them copies of one answer. */
function longTrace(size: number): { calls: WrittenCall[]; links: SpanLink[] } {
  const root: SpanLink = {
    traceId,
    spanId: spanId(0),
    parentSpanId: undefined,
    startMs: call().startMs,
    identity: { user: 'ada', session: undefined, properties: new Map([['plan', { name: 'plan', value: 'pro' }]]) },
  }
  const calls = Array.from({ length: size }, (_, n) =>
    call({
      n: n + 1,
      traceId,
      spanId: spanId(n + 1),
      parentSpanId: spanId(n % 7 === 0 ? 0 : n - (n % 7) + 1),
      role: n % 7 === 0 ? 'aggregate' : 'call',
      responseId: n % 5 === 0 ? `answer-${n % 40}` : undefined,
      user: n % 11 === 0 ? 'bob' : undefined,
      settled: false,
    }),
  )
  return { calls, links: [root] }
}

function linesOf(store: Store): Promise<unknown[]> {
  return store.all(
    `SELECT lower(hex(c.span_id)) AS span, c.counted, u.name AS user, c.segment_id FROM llm_calls AS c JOIN users AS u USING (user_id) ORDER BY span`,
  )
}

it('a trace that grows long is decided as one that came at once, in whatever order', async () => {
  const { calls, links } = longTrace(500)
  const whole = await openStore({ path: newPath(), priceBook: flatPrices })
  await whole.write({ calls, links })
  const expected = await linesOf(whole)
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...calls, ...links], { minLength: calls.length + 1 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 4, maxLength: 12 }),
      async (spans, sizes) => {
        const store = await openStore({ path: newPath(), priceBook: flatPrices })
        for (let at = 0, n = 0; at < spans.length; at += sizes[n++ % sizes.length] ?? 1) {
          await store.write(batchOf(spans.slice(at, at + (sizes[n % sizes.length] ?? 1))))
        }
        expect(await linesOf(store)).toEqual(expected)
        expect((await store.verify()).ok).toBe(true)
        await store.close()
      },
    ),
    { numRuns: 6 },
  )
  await whole.close()
})

it('spans are forgotten after seven days, the younger ones not', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  vi.setSystemTime('2026-01-15T12:00:00Z')
  const store = await openStore({ path: newPath(), priceBook: flatPrices })
  const days = async (): Promise<unknown> => store.all('SELECT count(*) AS spans FROM trace_spans GROUP BY seen_day ORDER BY seen_day')
  await store.write({ calls: Array.from({ length: 12_000 }, (_, n) => call({ n: n + 1, settled: false })) })
  vi.setSystemTime('2026-01-18T12:00:00Z')
  await store.write({ calls: [call({ n: 20_000, settled: false })] })
  vi.setSystemTime('2026-01-22T12:00:00Z')
  await store.write({ calls: [call({ n: 20_001, settled: false })] })
  expect(await days()).toEqual([{ spans: 12_000 }, { spans: 1 }, { spans: 1 }])
  vi.setSystemTime('2026-01-23T12:00:00Z')
  await store.write({ calls: [call({ n: 20_002, settled: false })] })
  expect(await days()).toEqual([{ spans: 1 }, { spans: 1 }, { spans: 1 }])
  await store.close()
})

it('a ledger of the version before keeps the spans it remembers', async () => {
  const path = newPath()
  const db = await openSqlite(path, 'write')
  const version = migrations.findIndex((step) => step.includes('RENAME TO trace_spans'))
  for (const step of migrations.slice(0, version)) await db.exec(step)
  await db.exec(`PRAGMA application_id = ${0x53504c44}; PRAGMA user_version = ${version};
    INSERT INTO trace_spans (trace_id, span_id, start_ms, role, has_usage, identity, seen_day)
      VALUES (x'${traceId}', x'${spanId(0)}', 5, 'other', 0, '["ada",null,[]]', ${Math.floor(Date.now() / 86_400_000)})`)
  await db.close()
  const store = await openStore({ path, priceBook: flatPrices })
  await store.write({ calls: [call({ traceId, spanId: spanId(1), parentSpanId: spanId(0), user: undefined, settled: false })] })
  expect(await linesOf(store)).toMatchObject([{ user: 'ada' }])
  await store.close()
})

function batchOf(spans: readonly (WrittenCall | SpanLink)[]): Batch {
  return {
    calls: spans.filter((span): span is WrittenCall => 'role' in span),
    links: spans.filter((span): span is SpanLink => !('role' in span)),
  }
}

it('a span alone is decided as a trace of one is', () => {
  for (const role of ['call', 'aggregate'] as const) {
    for (const hasUsage of [true, false]) {
      for (const identity of [undefined, whose('ada', 'pro'), whose(undefined, 'free')]) {
        for (const resourceIdentity of [undefined, whose('service', 'team')]) {
          const span = {
            traceId,
            spanId: spanId(1),
            parentSpanId: spanId(2),
            startMs: 1,
            role,
            hasUsage,
            responseId: 'r',
            identity,
            resourceIdentity,
          }
          expect(settleAlone(span)).toEqual(settleTraces([span]).get(span))
        }
      }
    }
  }
})

function whose(user: string | undefined, plan: string): Identity {
  return { user, session: undefined, properties: new Map([['plan', { name: 'plan', value: plan }]]) }
}
