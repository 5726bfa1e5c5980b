import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, rmdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

import { diag, DiagLogLevel, type Attributes } from '@opentelemetry/api'
import { drainSpool, type EndedSpan } from '@spanledger/exporter'
import { openStore, type Store, type StoreErrorKind } from '@spanledger/store'
import { describe, expect, it, onTestFinished } from 'vitest'

import { ask, countersOf, faultsOf, makeCall, startApp, tempLedger, usualCall } from './app.ts'
import { read } from './repository.ts'

const long = 'x'.repeat(10_240)
const sql = "'); DROP TABLE llm_calls; --"
const html = '<img src=x onerror="alert(1)">'
const emoji = '👩‍💻 Zoë 🏳️‍🌈'
const hashOfLong = `sha256:${createHash('sha256').update(long).digest('hex')}`

/** Of 1,000 tokens in and 100 out. */
const usualCost = '0.000210000'

describe('an id', () => {
  const outcomes: readonly [what: string, id: string, becomes: string, counted?: 'refused' | 'hashed'][] = [
    ['with a NUL is refused', 'ada\u0000lovelace', '(none)', 'refused'],
    ['with a lone surrogate is refused', 'ada\ud800', '(none)', 'refused'],
    ['with a line break is refused', 'ada\nlovelace', '(none)', 'refused'],
    ['of 10 kB is kept as its hash', long, hashOfLong, 'hashed'],
    ['named __proto__ is kept', '__proto__', '__proto__'],
    ['with emoji is kept', emoji, emoji],
    ['with SQL is kept', sql, sql],
    ['with HTML is kept', html, html],
    ['with space around it is kept without', '  Ada ', 'Ada'],
    ['in decomposed letters is kept in composed ones', 'Zoe\u0308', 'Zo\u00eb'],
    ['that is empty is none', '', '(none)'],
    ['that is the text "undefined" is none', 'undefined', '(none)'],
  ]

  it.each(outcomes)('%s, and its call is counted and priced', async (_what, id, becomes, counted) => {
    for (const kind of ['user', 'session'] as const) {
      const path = await ledgerOf([{ [`${kind}.id`]: id }])
      expect(await ask(path, { metrics: ['requests', 'cost_usd'], by: [kind] })).toEqual([[becomes, 1, usualCost]])
      expect(await countersOf(path)).toEqual(counted === undefined ? {} : { [`${kind}_${counted}`]: 1 })
      expect(await faultsOf(path)).toEqual([])
    }
  })

  it('that is good is found beside all the bad ones', async () => {
    const path = await ledgerOf([...outcomes.map(([, id]) => ({ 'user.id': id })), { 'user.id': 'good' }])
    const none = outcomes.filter(([, , becomes]) => becomes === '(none)').length
    const kept = outcomes.map(([, , becomes]) => becomes).filter((becomes) => becomes !== '(none)')
    expect(new Map((await ask(path, { metrics: ['requests'], by: ['user'] })) as [string, number][])).toEqual(
      new Map([['good', 1], ['(none)', none], ...kept.map((id): [string, number] => [id, 1])]),
    )
    expect(await faultsOf(path)).toEqual([])
  })
})

describe('a property value', () => {
  it.each<[what: string, value: string | number, becomes: string, cut?: 'cut']>([
    ['with a NUL is kept with U+FFFD in its place', 'a\u0000b', 'a\ufffdb', 'cut'],
    ['with a lone surrogate is kept with U+FFFD in its place', 'a\ud800b', 'a\ufffdb', 'cut'],
    ['of 10 kB is cut to 1,024 characters that end in …', long, `${'x'.repeat(1023)}…`, 'cut'],
    ['named __proto__ is kept', '__proto__', '__proto__'],
    ['with emoji is kept', emoji, emoji],
    ['with SQL is kept', sql, sql],
    ['with HTML is kept', html, html],
    ['that is empty is a value', '', ''],
    ['that is a number is its text', 4.5, '4.5'],
    ['that is NaN is none', Number.NaN, '(none)'],
  ])('%s, and the other property stays', async (_what, value, becomes, cut) => {
    const path = await ledgerOf([{ 'property.Plan': value, 'property.Feature': 'chat' }])
    expect(await ask(path, { metrics: ['requests', 'cost_usd'], by: ['property:plan', 'property:feature'] })).toEqual([
      [becomes, 'chat', 1, usualCost],
    ])
    expect(await countersOf(path)).toEqual(cut === undefined ? {} : { property_value_cut: 1 })
    expect(await faultsOf(path)).toEqual([])
  })
})

describe('a property key', () => {
  it.each([
    ['__proto__', '__proto__'],
    ['constructor', 'Constructor'],
    ['a lone surrogate', 'a\ud800'],
    ['a NUL', 'a\u0000b'],
    ['no letter', ' - _ '],
  ])('with %s is refused and counted, and the other property stays', async (_what, key) => {
    const path = await ledgerOf([{ [`property.${key}`]: 'x', 'property.Plan': 'pro' }])
    expect(await ask(path, { metrics: ['requests'], by: ['property:plan'] })).toEqual([['pro', 1]])
    expect(await countersOf(path)).toEqual({ property_key_refused: 1 })
    expect(await faultsOf(path)).toEqual([])
  })

  it.each([
    ['emoji', emoji],
    ['SQL', sql],
    ['HTML', html],
    ['quotes and a comma', 'a"b`c,d'],
    ['10 kB', long],
  ])('with %s can be asked for, and the other property stays', async (_what, key) => {
    const path = await ledgerOf([{ [`property.${key}`]: 'x', 'property.Plan': 'pro' }])
    expect(await ask(path, { metrics: ['requests'], by: [`property:${key}`, 'property:plan'] })).toEqual([['x', 'pro', 1]])
    expect(await faultsOf(path)).toEqual([])
  })

  it('of ten thousand on a span: 64 are kept, the same whatever their order, the others are counted', async () => {
    const keys = Array.from({ length: 10_000 }, (_, n) => `k${String(n).padStart(4, '0')}`)
    for (const order of [keys, keys.toReversed()]) {
      const path = await ledgerOf([Object.fromEntries(order.map((key) => [`property.${key}`, 'x'])), { 'user.id': 'good' }], 20_000)
      expect(await ask(path, { metrics: ['requests', 'cost_usd'], by: ['property:k0000', 'property:k0063'] })).toEqual([
        ['(none)', '(none)', 1, usualCost],
        ['x', 'x', 1, usualCost],
      ])
      expect(await ask(path, { metrics: ['requests'], by: ['property:k0064'] })).toEqual([['(none)', 2]])
      expect(await countersOf(path)).toEqual({ properties_over_limit: 10_000 - 64 })
      expect(await faultsOf(path)).toEqual([])
    }
  })

  it('of ten thousand on a span of an SDK that keeps 128 attributes: what that dropped is counted', async () => {
    const keys = Array.from({ length: 10_000 }, (_, n) => `property.k${String(n).padStart(4, '0')}`)
    const path = await ledgerOf([Object.fromEntries(keys.map((key) => [key, 'x']))])
    expect(await ask(path, { metrics: ['requests', 'cost_usd'], by: ['property:k0000'] })).toEqual([['x', 1, usualCost]])
    expect(await countersOf(path)).toEqual({ attributes_dropped: 1, properties_over_limit: 128 - 5 - 64 })
  })
})

describe('a token count', () => {
  const metrics = ['requests', 'input_tokens', 'output_tokens', 'cost_usd', 'unpriced_requests', 'estimated_requests']

  it.each([
    ['negative', -5],
    ['fractional', 10.5],
    ['above a billion', 1e12],
    ['not a number', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['a text that is no number', 'many'],
  ])('that is %s is refused and counted, never clamped, and the other count stays, marked as unsure', async (_what, count) => {
    const path = await ledgerOf([{ 'gen_ai.usage.input_tokens': count }, { 'user.id': 'good' }])
    expect(await ask(path, { metrics, by: ['user'] })).toEqual([
      ['(none)', 1, 0, 100, '0.000060000', 0, 1],
      ['good', 1, 1000, 100, usualCost, 0, 0],
    ])
    expect(await countersOf(path)).toEqual({ token_count_refused: 1 })
    expect(await faultsOf(path)).toEqual([])
  })

  it('refused where there is no other leaves the usage unknown and the call unpriced, not 0', async () => {
    const path = await ledgerOf([{ 'gen_ai.usage.input_tokens': -1, 'gen_ai.usage.output_tokens': Number.NaN }])
    expect(await ask(path, { metrics })).toEqual([[1, null, null, null, 1, 0]])
    expect(await countersOf(path)).toEqual({ token_count_refused: 2 })
  })

  it('of a billion is kept, and costs what it costs', async () => {
    const path = await ledgerOf([{ 'gen_ai.usage.input_tokens': 1_000_000_000, 'gen_ai.usage.output_tokens': 0 }])
    expect(await ask(path, { metrics })).toEqual([[1, 1_000_000_000, 0, '150.000000000', 0, 0]])
  })
})

describe('a time', () => {
  it.each([
    ['an end before its start', -1000, 'time_refused'],
    ['an end more than seven days after its start', 8 * 86_400_000, 'time_refused'],
    ['a duration that is fine', 1500, undefined],
  ])('of %s leaves the call at its start', async (_what, durationMs, counter) => {
    const path = tempLedger()
    const { processor } = startApp({ store: path })
    const startTime = Date.now() - 60_000
    processor.onEnd(endedCall(startTime, startTime + durationMs))
    await processor.shutdown()
    const latencyMs = counter === undefined ? durationMs : 0
    const [row] = await ask(path, { metrics: ['requests', 'cost_usd', 'latency_avg_ms'] })
    expect(row).toEqual([1, usualCost, latencyMs])
    expect(await countersOf(path)).toEqual(counter === undefined ? {} : { [counter]: 1 })
    expect(await faultsOf(path)).toEqual([])
  })

  it('before 1970 or after 2199 is no day: the call is refused and counted, the others stay', async () => {
    const path = tempLedger()
    const { tracer, processor } = startApp({ store: path })
    for (const startTime of [-1, Date.UTC(2200, 0, 1)]) processor.onEnd(endedCall(startTime, startTime))
    makeCall(tracer)
    await processor.shutdown()
    expect(await ask(path, { metrics: ['requests', 'cost_usd'] })).toEqual([[1, usualCost]])
    expect(await countersOf(path)).toEqual({ refused_start_time: 2 })
  })
})

describe('a cost that the provider reports', () => {
  it.each(['-1', 'free', '1e99', Number.NaN])('of %s is refused and counted, and the computed cost stays', async (cost) => {
    const path = await ledgerOf([{ 'spanledger.reported_cost_usd': cost }])
    expect(await ask(path, { metrics: ['requests', 'cost_usd'] })).toEqual([[1, usualCost]])
    expect(await countersOf(path)).toEqual({ cost_refused: 1 })
  })
})

/** What is wrong with a store, how it comes to be, and how it ends. */
interface Trouble {
  readonly kind: StoreErrorKind
  readonly says: RegExp
  begin(path: string): Promise<{ store: string | Store; end(): Promise<void> }>
}

describe('a store', () => {
  const troubles: Record<string, Trouble> = {
    'that is a folder': {
      kind: 'cannot_open',
      says: /is a folder\. Name a file in it/,
      begin: async (path) => {
        mkdirSync(path)
        return { store: path, end: async () => rmdirSync(path) }
      },
    },
    'that is read-only': {
      kind: 'read_only',
      says: /may not be written; check the owner and the mode/,
      begin: async (path) => {
        await makeLedger(path)
        chmodSync(path, 0o444)
        chmodSync(dirname(path), 0o777)
        const becomeRoot = becomeNobody()
        return {
          store: path,
          end: async () => {
            becomeRoot()
            chmodSync(path, 0o600)
          },
        }
      },
    },
    'that is full': {
      kind: 'full',
      says: /no space left/,
      begin: async (path) => {
        const store = await openStore({ path, maxMiB: 1 })
        return { store, end: () => store.close() }
      },
    },
    'that is locked': {
      kind: 'busy',
      says: /another process is writing/,
      begin: async (path) => {
        const store = await openStore({ path, busyTimeoutMs: 20 })
        const other = await openRaw(path)
        await other('BEGIN EXCLUSIVE')
        return {
          store,
          end: async () => {
            await other('COMMIT')
            await store.close()
          },
        }
      },
    },
    'from a newer version': {
      kind: 'newer_version',
      says: /has schema version 999.*Update Spanledger/,
      begin: async (path) => {
        await makeLedger(path)
        const other = await openRaw(path)
        const [{ user_version: version } = { user_version: 0 }] = await other<{ user_version: number }>('PRAGMA user_version')
        await other('PRAGMA user_version = 999')
        return { store: path, end: async () => void (await other(`PRAGMA user_version = ${version}`)) }
      },
    },
  }

  it.each(Object.entries(troubles))('%s: the app is told what to do, and no call is lost', async (_what, { kind, says, begin }) => {
    const path = tempLedger()
    const said = listen()
    const { store, end } = await begin(path)
    const { tracer, processor } = startApp({ store })
    const users = Array.from({ length: 3000 }, (_, n) => `user-${n} ${'x'.repeat(300)}`)
    for (const user of users) makeCall(tracer, { 'user.id': user })
    await processor.forceFlush()
    expect(processor.state()).toMatchObject({ queued: 0, droppedSpans: 0, refusedCalls: 0, lastError: { kind } })
    expect(said).toEqual([expect.stringMatching(says)])
    await processor.shutdown()
    await end()

    const mended = await openStore({ path })
    await drainSpool(mended)
    await mended.close()
    const rows = await ask(path, { metrics: ['requests', 'cost_usd'], by: ['user'] })
    expect(new Map(rows.map(([user, ...cells]) => [user, cells]))).toEqual(new Map(users.map((user) => [user, [1, usualCost]])))
    expect(await faultsOf(path)).toEqual([])
  })
})

describe('docs/bad-input.md', () => {
  it('names every counter that bad input raises', () => {
    const documented = new Set(Array.from(read('docs/bad-input.md').matchAll(/`([a-z_]+)`/g), ([, name]) => name))
    const faults = read('packages/conventions/src/reading-fault.ts').matchAll(/\| '([a-z_]+)'/g)
    expect(Array.from(faults, ([, name]) => name).filter((name) => !documented.has(name))).toEqual([])
  })
})

/** A ledger of calls with the given attributes, made by an app that has ended. */
async function ledgerOf(calls: readonly Attributes[], attributeCountLimit?: number): Promise<string> {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path }, attributeCountLimit)
  for (const attributes of calls) makeCall(tracer, attributes)
  await processor.shutdown()
  expect(processor.state()).toMatchObject({ writtenCalls: calls.length, refusedCalls: 0, spooledCalls: 0, droppedSpans: 0, faults: 0 })
  return path
}

/** What the SDK would hand over, had it not mended the end itself. */
function endedCall(startMs: number, endMs: number): EndedSpan {
  const toTime = (ms: number): [number, number] => [Math.floor(ms / 1000), (((ms % 1000) + 1000) % 1000) * 1_000_000]
  const ids = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') }
  return {
    name: 'chat',
    spanContext: () => ids,
    startTime: toTime(startMs),
    endTime: toTime(endMs),
    status: { code: 0 },
    attributes: usualCall,
    resource: { attributes: {} },
  }
}

async function makeLedger(path: string): Promise<void> {
  await (await openStore({ path })).close()
}

/** What the app is told, by OpenTelemetry's diag. */
function listen(): string[] {
  const said: string[] = []
  const keep = (text: string): void => void said.push(text)
  const ignore = (): void => undefined
  diag.setLogger({ error: keep, warn: keep, info: ignore, debug: ignore, verbose: ignore }, { logLevel: DiagLogLevel.WARN })
  onTestFinished(() => diag.disable())
  return said
}

/** The mode of a file means nothing to root. @returns how to be root again */
function becomeNobody(): () => void {
  const user = process.geteuid?.()
  if (user !== 0) return () => undefined
  const become = (id: number): void => process.seteuid?.(id)
  become(65_534)
  onTestFinished(() => become(0))
  return () => become(0)
}

/** Another process's hands on the file. */
async function openRaw(path: string): Promise<<Row>(sql: string) => Promise<Row[]>> {
  interface Database {
    all(sql: string, done: (error: Error | null, rows: unknown[]) => void): void
    close(done: () => void): void
  }
  const { Database } = createRequire(import.meta.url)('sqlite3') as { Database: new (path: string) => Database }
  const database = new Database(path)
  onTestFinished(() => new Promise<void>((resolve) => database.close(() => resolve())))
  return <Row>(statement: string) =>
    new Promise<Row[]>((resolve, reject) =>
      database.all(statement, (error, rows) => (error === null ? resolve(rows as Row[]) : reject(error))),
    )
}
