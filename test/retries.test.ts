import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { openAnalytics, type Analytics, type Row } from '../packages/analytics/src/index.ts'
import { LedgerSpanProcessor } from '../packages/exporter/src/index.ts'
import { fingerprintOf } from '../packages/instrumentation/src/fingerprint.ts'
import { openStore, type Store } from '../packages/store/src/index.ts'

/** id, user, session, start on 2024-03-10 (or with its date), seconds, feature, what became of it, what was asked. */
const oneDay = `
e1 E - 03:00:00 5 chat ok v1
a1 A - 04:50:00 30 chat ok p1
a2 A - 04:55:00 20 chat ok p2
a3 A - 05:10:00 10 chat timeout p3
a4 A - 05:11:00 10 chat ok p3
a5 A - 05:41:10 5 chat ok p4
a6 A - 06:11:14 6 chat ok p6
b1 B s1 12:00:00 12 document_analysis format_error q1
b2 B s1 12:00:30 12 document_analysis ok q1
b3 B s1 12:00:50 4 document_analysis ok q1
b4 B s1 14:00:00 10 chat ok q2
b5 B s1 14:00:05 10 chat ok q2
c1 C s2 15:00:00 3 chat ok r1
c2 C s2 15:02:00 25 chat ok r2
c3 C s2 15:05:00 4 chat ok r3
c4 C s2 15:07:00 40 chat cancelled r4
a7 A - 2024-03-11T06:00:00 8 document_analysis rate_limit p5
d1 D - 2024-03-11T11:50:00 10 chat ok t1`

/** What emitters call these failures. */
const errorTypes: Readonly<Record<string, string>> = {
  timeout: 'timeout',
  format_error: 'json_parse_error',
  rate_limit: '429',
  cancelled: 'cancelled',
}

interface Written {
  readonly key: string | undefined
  /** The id of a call that fails besides. */
  readonly failed?: string
  readonly extra?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Writes the day as spans of a real SDK through the processor of an app. */
async function writeDay(path: string, { key, extra = {}, failed }: Written): Promise<void> {
  const processor = new LedgerSpanProcessor({ store: path })
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('@spanledger/instrumentation')
  for (const line of oneDay.trim().split('\n')) {
    const [id = '', user = '', session, start = '', seconds, feature = '', outcome = '', asked = ''] = line.split(' ')
    const startMs = Date.parse(`${start.includes('T') ? start : `2024-03-10T${start}`}Z`)
    const body = {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: Number(id.slice(1)) % 2 === 0 ? asked : ` ${asked.toUpperCase()}\n` },
      ],
    }
    const fingerprint = key === undefined ? undefined : fingerprintOf({ operation: 'chat' }, body, key)
    const span = tracer.startSpan('chat gpt-4o', {
      kind: SpanKind.CLIENT,
      startTime: startMs,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o',
        'user.id': user,
        'property.Feature': feature,
        ...(session === '-' || session === undefined ? {} : { 'session.id': session }),
        ...(fingerprint === undefined ? {} : { 'spanledger.request.fingerprint': fingerprint }),
        ...(outcome === 'ok'
          ? { 'gen_ai.usage.input_tokens': 10, 'gen_ai.usage.output_tokens': 5 }
          : { 'error.type': errorTypes[outcome] ?? outcome }),
        ...extra[id],
      },
    })
    if (outcome !== 'ok' || id === failed) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(startMs + Number(seconds) * 1000)
  }
  await processor.shutdown()
}

const folder = mkdtempSync(join(tmpdir(), 'spanledger-retries-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const open: Store[] = []
afterAll(async () => {
  for (const store of open) await store.close()
})

async function ledgerOf(name: string, written: Written): Promise<{ store: Store; analytics: Analytics }> {
  const path = join(folder, `${name}.db`)
  await writeDay(path, written)
  const store = await openStore({ path, readOnly: true })
  open.push(store)
  return { store, analytics: openAnalytics(store, { now: () => Date.parse('2024-03-11T12:00:00Z'), timeZone: 'America/New_York' }) }
}

const told = ({ feature, requests, retries, retry_rate: rate, issues }: Row): unknown[] => [feature, requests, retries, rate, issues]

describe('a day of requests with fingerprints, from spans to reports', () => {
  let store: Store
  let analytics: Analytics
  beforeAll(async () => {
    ;({ store, analytics } = await ledgerOf('with', { key: 'a key of sixteen or more' }))
  })

  it('has three retries of eighteen requests, half of those about documents', async () => {
    const { rows, totals, meta } = await analytics.report('retries')
    expect(rows.map(told)).toEqual([
      ['document_analysis', 4, 2, 0.5, 'format_errors, regenerated'],
      ['chat', 14, 1, 1 / 14, 'timeout'],
    ])
    expect(totals).toEqual({
      requests: 18,
      fingerprinted: 18,
      retries: 3,
      retry_rate: 3 / 18,
      retried_request_rate: 2 / 15,
      after_error: 2,
      regenerated: 1,
      auto_retry_rate: 0,
    })
    expect(meta.warnings.join()).not.toContain('fingerprint')
  })

  it('counts no retry among messages and follow-ups', async () => {
    const [row] = (await analytics.report('session_metrics')).rows
    expect(row?.['follow_up_rate']).toBeCloseTo(4 / 15, 12)
    expect(row?.['messages_per_session']).toBeCloseTo(14 / 6, 12)
  })

  it('sees in friction what was asked again last before a user left', async () => {
    // Of A the session before midnight ends with a retry; nothing else does, and it went well.
    const { rows } = await analytics.report('friction', { user: 'A', until: '2024-03-10T05:30:00Z' })
    expect(rows.filter(({ friction }) => friction === 'abandoned_sessions')).toEqual([])
    const path = join(folder, 'left.db')
    await writeDay(path, { key: 'a key of sixteen or more', extra: { a4: { 'error.type': 'timeout' } }, failed: 'a4' })
    const left = await openStore({ path, readOnly: true })
    open.push(left)
    const ofLeft = await openAnalytics(left, { now: () => Date.parse('2024-03-11T12:00:00Z') }).report('friction', { user: 'A' })
    expect(ofLeft.rows.flatMap(({ friction, what }) => (friction === 'abandoned_sessions' ? [what] : []))).toContain('unclear_response')
  })

  it('keeps 48 bits of each, which are not what was asked', async () => {
    const rows = await store.all<{ n: number; different: number; most: number }>(
      'SELECT count(fingerprint) AS n, count(DISTINCT fingerprint) AS different, max(fingerprint) AS most FROM llm_calls',
    )
    expect(rows).toEqual([{ n: 18, different: 14, most: expect.any(Number) }])
    expect(rows[0]?.most).toBeLessThan(2 ** 48)
  })
})

describe('without a key', () => {
  it('no retries are told, which is not that there are none', async () => {
    const { store, analytics } = await ledgerOf('without', { key: undefined })
    const { totals, meta } = await analytics.report('retries')
    expect(totals).toMatchObject({
      requests: 18,
      fingerprinted: 0,
      retries: null,
      retry_rate: null,
      retried_request_rate: null,
      after_error: null,
      regenerated: null,
    })
    expect(meta.warnings.join()).toContain('SPANLEDGER_FINGERPRINT_KEY')
    expect(
      await store.all("SELECT count(fingerprint) AS n, (SELECT count(*) FROM meta WHERE key = 'fingerprints') AS noted FROM llm_calls"),
    ).toEqual([{ n: 0, noted: 0 }])
  })
})

describe('what an app or an SDK says', () => {
  it('wins: a retry of a call long before, and a try of a program, which is none of the user', async () => {
    const first = await ledgerOf('first', { key: 'a key of sixteen or more' })
    const [original] = await first.store.all<{ trace: string; span: string }>(
      'SELECT lower(hex(trace_id)) AS trace, lower(hex(span_id)) AS span FROM llm_calls WHERE start_ms = ?',
      Date.parse('2024-03-10T03:00:00Z'),
    )
    expect(original?.trace).toMatch(/^[0-9a-f]{32}$/)
    const again = new LedgerSpanProcessor({ store: first.store.path })
    const tracer = new BasicTracerProvider({ spanProcessors: [again] }).getTracer('@spanledger/instrumentation')
    const startMs = Date.parse('2024-03-10T23:00:00Z')
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'user.id': 'E',
      'property.Feature': 'chat',
    }
    tracer
      .startSpan('chat', {
        startTime: startMs,
        attributes: { ...attributes, 'spanledger.retry_of': `${original?.trace}-${original?.span}` },
      })
      .end(startMs + 1000)
    const [b1] = await first.store.all<{ fingerprint: number }>(
      'SELECT fingerprint FROM llm_calls WHERE start_ms = ?',
      Date.parse('2024-03-10T12:00:00Z'),
    )
    const hex = Number(b1?.fingerprint).toString(16).padStart(12, '0')
    const soon = Date.parse('2024-03-10T12:01:00Z')
    tracer
      .startSpan('chat', {
        startTime: soon,
        attributes: {
          ...attributes,
          'user.id': 'B',
          'session.id': 's1',
          'property.Feature': 'document_analysis',
          'spanledger.request.fingerprint': hex,
          'spanledger.auto_retry': 'itself',
        },
      })
      .end(soon + 1000)
    await again.shutdown()
    const { rows, totals } = await first.analytics.report('retries')
    expect(rows.map(told)).toEqual([
      ['document_analysis', 5, 2, 0.4, 'format_errors, regenerated'],
      ['chat', 15, 2, 2 / 15, 'regenerated, timeout'],
    ])
    expect(totals).toMatchObject({ requests: 20, retries: 4, auto_retry_rate: 1 / 20 })
  })
})

describe('a day on which a user asks the same over and over', () => {
  it('is an anomaly from four of five on, and from fifty requests', async () => {
    const path = join(folder, 'loop.db')
    const processor = new LedgerSpanProcessor({ store: path })
    const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('@spanledger/instrumentation')
    const ask = (user: string, count: number, different: number): void => {
      for (let n = 0; n < count; n++) {
        const startMs = Date.parse('2024-03-10T15:00:00Z') + n * 1000
        const fingerprint = (n % different).toString(16).padStart(12, '0')
        tracer
          .startSpan('chat', {
            startTime: startMs,
            attributes: {
              'gen_ai.operation.name': 'chat',
              'gen_ai.provider.name': 'openai',
              'gen_ai.request.model': 'gpt-4o',
              'user.id': user,
              'spanledger.request.fingerprint': fingerprint,
            },
          })
          .end(startMs + 100)
      }
    }
    ask('loop', 60, 12)
    ask('reader', 60, 13)
    ask('few', 49, 1)
    await processor.shutdown()
    const store = await openStore({ path, readOnly: true })
    open.push(store)
    const { rows } = await openAnalytics(store, { now: () => Date.parse('2024-03-11T12:00:00Z') }).report('anomalies')
    expect(rows.filter(({ rule }) => rule === 'repeated')).toEqual([
      { date: '2024-03-10', user: 'loop', requests: 60, usual: null, rule: 'repeated', value: 0.8 },
    ])
  })
})
