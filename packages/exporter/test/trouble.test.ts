import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { diag, DiagLogLevel } from '@opentelemetry/api'
import { openStore } from '@spanledger/store'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { drainSpool } from '@spanledger/exporter'

import { makeCall, startApp } from './app.ts'
import { findFaults, readCounters, readLines, tempFolder, tempLedger } from './ledger.ts'

interface RawDatabase {
  exec(sql: string, done: (error: Error | null) => void): void
  close(done: (error: Error | null) => void): void
}
const { Database } = createRequire(import.meta.url)('sqlite3') as { Database: new (path: string) => RawDatabase }

/** Another process's hands on the file. */
async function openRaw(path: string): Promise<{ exec(sql: string): Promise<void>; close(): Promise<void> }> {
  const database = new Database(path)
  return { exec: (sql) => settled((done) => database.exec(sql, done)), close: () => settled((done) => database.close(done)) }
}

function settled(work: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    work((error) => (error === null ? resolve() : reject(error)))
  })
}

async function makeLedger(path: string): Promise<void> {
  await (await openStore({ path })).close()
}

function logTo(): { error: string[]; warn: string[] } {
  const said = { error: [] as string[], warn: [] as string[] }
  diag.setLogger(
    { error: (text) => said.error.push(text), warn: (text) => said.warn.push(text), info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  return said
}

function ignore(): void {}

afterEach(() => diag.disable())

function throwingLogger(): { told: number } {
  const counted = { told: 0 }
  const fail = (): never => {
    counted.told++
    throw new Error("the app's logger is broken")
  }
  diag.setLogger(
    { error: fail, warn: fail, info: fail, debug: fail, verbose: fail },
    { logLevel: DiagLogLevel.INFO, suppressOverrideMessage: true },
  )
  return counted
}

it("a logger of the app that throws reaches none of the app's calls, and no call is lost", async () => {
  const path = tempLedger()
  mkdirSync(path)
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  onTestFinished(() => void process.off('unhandledRejection', unhandled))
  const logger = throwingLogger()
  const { tracer, processor } = startApp({ store: path, maxBatchCalls: -1 })
  makeCall(tracer)
  await processor.forceFlush()
  expect(processor.state()).toMatchObject({ spooledCalls: 1, lastError: { kind: expect.any(String) } })
  rmdirSync(path)
  await vi.waitFor(() => expect(processor.state()).toMatchObject({ writtenCalls: 1, lastError: undefined }), 10_000)
  await processor.shutdown()
  makeCall(tracer)
  // The value that is none, the store that fails, the store that works again, the span that is too late.
  expect(logger.told).toBe(4)
  expect(await readLines(path)).toHaveLength(1)
  await new Promise((resolve) => setImmediate(resolve))
  expect(unhandled).not.toHaveBeenCalled()
})

describe('a store that is in trouble', () => {
  it('is spared while it is locked: calls go to the spool, and into the store when it is free again', async () => {
    const path = tempLedger()
    const store = await openStore({ path, busyTimeoutMs: 20 })
    const { tracer, processor } = startApp({ store })
    const other = await openRaw(path)
    await other.exec('BEGIN EXCLUSIVE')
    const spans = Array.from({ length: 20 }, () => makeCall(tracer))
    await processor.forceFlush()
    spans.push(makeCall(tracer))
    await processor.forceFlush()
    expect(processor.state()).toMatchObject({ queued: 0, spooledCalls: 21, writtenCalls: 0, lastError: { kind: 'busy' } })
    await other.exec('COMMIT')
    await other.close()
    await vi.waitFor(() => expect(processor.state()).toMatchObject({ writtenCalls: 21, lastError: undefined }), 10_000)
    expect((await readLines(path)).map((line) => line.span)).toEqual(spans.sort())
    expect(readdirSync(`${path}.spool`)).toEqual([])
    await processor.shutdown()
    await store.close()
    expect(await findFaults(path)).toEqual([])
  })

  it('keeps calls waiting, not their spans, while a write waits for a lock', async () => {
    const path = tempLedger()
    const store = await openStore({ path, busyTimeoutMs: 3000 })
    const { tracer, processor } = startApp({ store })
    const other = await openRaw(path)
    await other.exec('BEGIN EXCLUSIVE')
    makeCall(tracer)
    const flushed = processor.forceFlush()
    await vi.waitFor(() => expect(processor.state().queuedBytes).toBe(1200))
    for (let n = 0; n < 64; n++) makeCall(tracer, { 'app.note': 'x'.repeat(10_000) })
    expect(processor.state().queuedBytes).toBeGreaterThan(640_000)
    await vi.waitFor(() => expect(processor.state()).toMatchObject({ queued: 65, queuedBytes: 65 * 1200, writtenCalls: 0 }))
    await other.exec('COMMIT')
    await other.close()
    await flushed
    await processor.forceFlush()
    expect(processor.state()).toMatchObject({ queued: 0, queuedBytes: 0, writtenCalls: 65, spooledCalls: 0 })
    await processor.shutdown()
    await store.close()
  })

  it.skipIf(!canMount())('is full: calls go to the spool, and into the store when there is space again', async () => {
    const disk = tempFolder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
    onTestFinished(() => void execFileSync('umount', [disk]))
    const path = join(disk, 'ledger.db')
    const store = await openStore({ path })
    onTestFinished(() => store.close())
    expect(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(4 * 1024 * 1024))).toThrow(/ENOSPC/)
    const { tracer, processor } = startApp({ store, spoolPath: join(tempFolder(), 'spool') })
    const spans = Array.from({ length: 600 }, () => makeCall(tracer))
    await processor.forceFlush()
    expect(processor.state()).toMatchObject({ queued: 0, spooledCalls: 600, writtenCalls: 0, droppedSpans: 0, lastError: { kind: 'full' } })
    rmSync(join(disk, 'ballast'))
    await vi.waitFor(() => expect(processor.state()).toMatchObject({ writtenCalls: 600, lastError: undefined }), 10_000)
    expect((await readLines(path)).map((line) => line.span)).toEqual(spans.sort())
    expect(await findFaults(path)).toEqual([])
  })

  it('is a folder: says so once, keeps all calls, and writes them once the folder is gone', async () => {
    const path = tempLedger()
    mkdirSync(path)
    const said = logTo()
    const { tracer, processor } = startApp({ store: path })
    makeCall(tracer)
    await processor.forceFlush()
    makeCall(tracer)
    await processor.shutdown()
    expect(said).toEqual({
      error: [
        `Spanledger: Ledger "${path}" is a folder. Name a file in it, e.g. "${path}/spanledger.db". Calls go to "${path}.spool" until then.`,
      ],
      warn: [],
    })
    expect(statSync(`${path}.spool`).mode & 0o777).toBe(0o700)
    expect(readdirSync(`${path}.spool`).map((name) => statSync(join(`${path}.spool`, name)).mode & 0o777)).toEqual([0o600, 0o600])
    rmdirSync(path)
    expect(await drain(path)).toEqual({ files: 2, calls: 2 })
    expect(await readLines(path)).toHaveLength(2)
  })

  it('is of a newer version: says so, keeps all calls and does not touch the file', async () => {
    const path = tempLedger()
    await makeLedger(path)
    const raw = await openRaw(path)
    await raw.exec('PRAGMA user_version = 999')
    await raw.close()
    const said = logTo()
    const { tracer, processor } = startApp({ store: path })
    makeCall(tracer)
    await processor.shutdown()
    expect(said).toEqual({ error: [expect.stringContaining('has schema version 999')], warn: [] })
    expect(processor.state()).toMatchObject({ spooledCalls: 1, droppedSpans: 0, lastError: { kind: 'newer_version' } })
  })

  it('cannot be written at all, nor can the spool: the app goes on, and the loss is counted', async () => {
    const file = join(tempFolder(), 'a-file')
    writeFileSync(file, '')
    const { tracer, processor } = startApp({ store: join(file, 'ledger.db') })
    makeCall(tracer)
    await processor.forceFlush()
    expect(processor.state()).toMatchObject({ queued: 1, spooledCalls: 0, droppedSpans: 0 })
    await processor.shutdown()
    expect(processor.state()).toMatchObject({ queued: 0, queuedBytes: 0, spooledCalls: 0, droppedSpans: 1 })
  })

  it('drops only what fits neither in the spool nor in memory, and counts it in the ledger when that is back', async () => {
    const path = tempLedger()
    mkdirSync(path)
    const { tracer, processor } = startApp({ store: path, maxSpoolBytes: 2000, maxQueueBytes: 20_000, maxBatchCalls: 1 })
    for (let n = 0; n < 100; n++) {
      makeCall(tracer)
      await processor.forceFlush()
    }
    const { droppedSpans, spooledCalls, queued } = processor.state()
    expect([droppedSpans > 0, spooledCalls > 0, queued > 0]).toEqual([true, true, true])
    rmdirSync(path)
    await vi.waitFor(() => expect(processor.state()).toMatchObject({ queued: 0, lastError: undefined }), 10_000)
    await processor.shutdown()
    expect(await readLines(path)).toHaveLength(100 - droppedSpans)
    expect(await readCounters(path)).toMatchObject({ spans_dropped: droppedSpans })
  })

  it('has no place for events: calls are written, and events wait in the spool until it has', async () => {
    const path = tempLedger()
    await makeLedger(path)
    const change = async (sql: string): Promise<void> => {
      const raw = await openRaw(path)
      await raw.exec(sql)
      await raw.close()
    }
    await change('ALTER TABLE events RENAME TO lost')
    const { tracer, processor } = startApp({ store: path })
    makeCall(tracer)
    tracer.startSpan('spanledger.milestone', { attributes: { 'spanledger.event.name': 'first_report', 'user.id': 'ada' } }).end()
    await processor.shutdown()
    expect(await readLines(path)).toHaveLength(1)
    await change('ALTER TABLE lost RENAME TO events')
    const store = await openStore({ path })
    expect(await drainSpool(store)).toEqual({ files: 1, calls: 0 })
    expect(await store.all('SELECT count(*) AS events FROM events')).toEqual([{ events: 1 }])
    await store.close()
    expect(await readLines(path)).toHaveLength(1)
  })

  it('refuses one call: the others of the batch are written, and that one is set aside', async () => {
    const path = tempLedger()
    await makeLedger(path)
    const raw = await openRaw(path)
    await raw.exec("CREATE TRIGGER refuse BEFORE INSERT ON llm_calls WHEN NEW.input_tokens = 666 BEGIN SELECT raise(ABORT, 'refused'); END")
    await raw.close()
    const { tracer, processor } = startApp({ store: path })
    for (let n = 0; n < 9; n++) makeCall(tracer, n === 5 ? { 'gen_ai.usage.input_tokens': 666 } : {})
    await processor.shutdown()
    expect(processor.state()).toMatchObject({ writtenCalls: 8, refusedCalls: 1, spooledCalls: 0, droppedSpans: 0 })
    expect(await readLines(path)).toHaveLength(8)
    expect(await readCounters(path)).toEqual({ refused_by_store: 1 })
    expect(readdirSync(`${path}.spool`)).toEqual([expect.stringMatching(/^refused-/)])
  })
})

describe('a spool', () => {
  it('is brought into the store by the next app that starts, even if that makes no call', async () => {
    const path = tempLedger()
    const spans = await leaveSpool(path)
    const { processor } = startApp({ store: path })
    await vi.waitFor(() => expect(processor.state().writtenCalls).toBe(3), 10_000)
    expect(await readLines(path)).toEqual(
      spans.map((span) => ({ span, user: 'ada', session: '(none)', counted: true, inputTokens: 100, properties: { plan: 'pro' } })),
    )
  })

  it('may be replayed by several at once, and twice, and changes nothing more', async () => {
    const path = tempLedger()
    const spans = await leaveSpool(path)
    const copies = readdirSync(`${path}.spool`)
    cpSync(`${path}.spool`, `${path}.copy`, { recursive: true })
    const store = await openStore({ path })
    const both = await Promise.all([drainSpool(store), drainSpool(store)])
    expect(both[0].calls + both[1].calls).toBe(3)
    expect(await drainSpool(store, `${path}.copy`)).toEqual({ files: copies.length, calls: 0 })
    await store.close()
    expect((await readLines(path)).map((line) => line.span)).toEqual(spans)
  })

  it('loses one line to a torn file, counts it, and takes what others began or claimed only after a minute', async () => {
    const path = tempLedger()
    await leaveSpool(path)
    const folder = `${path}.spool`
    const [first, second, third] = readdirSync(folder).sort()
    const text = readFileSync(join(folder, first ?? ''), 'utf8')
    writeFileSync(join(folder, first ?? ''), text + text.slice(0, text.length / 2))
    renameSync(join(folder, second ?? ''), join(folder, `${second}.claimed-${Date.now()}`))
    const longAgo = Date.now() - 120_000
    renameSync(join(folder, third ?? ''), join(folder, `${longAgo}-0000.ndjson.part`))
    writeFileSync(join(folder, 'notes.txt'), 'not ours')
    expect(await drain(path)).toEqual({ files: 2, calls: 2 })
    expect(await readCounters(path)).toMatchObject({ spool_lines_refused: 1 })
    expect(readdirSync(folder).sort()).toEqual([expect.stringMatching(/claimed-\d+$/), 'notes.txt'])
    const [claimed] = readdirSync(folder).sort()
    renameSync(join(folder, claimed ?? ''), join(folder, (claimed ?? '').replace(/claimed-\d+$/, `claimed-${longAgo}`)))
    expect(await drain(path)).toEqual({ files: 1, calls: 1 })
  })

  it('takes only lines that are calls, links or counts', async () => {
    const path = tempLedger()
    mkdirSync(`${path}.spool`)
    const bad = [
      '{',
      'null',
      '[]',
      '{"call":{}}',
      '{"call":{"traceId":1}}',
      '{"link":{"traceId":"x"}}',
      '{"counts":[["a",-1]]}',
      '{"counts":{"a":1}}',
      '{"__proto__":{"call":1}}',
    ]
    writeFileSync(join(`${path}.spool`, `${Date.now()}-00.ndjson`), [...bad, '{"counts":[["spans_dropped",2]]}'].join('\n'))
    expect(await drain(path)).toEqual({ files: 1, calls: 0 })
    expect(await readCounters(path)).toEqual({ spool_lines_refused: bad.length, spans_dropped: 2 })
    rmSync(`${path}.spool`, { recursive: true })
    expect(await drain(path)).toEqual({ files: 0, calls: 0 })
  })
})

/** What an app leaves that could not open its store: three files of one call each. */
async function leaveSpool(path: string): Promise<string[]> {
  mkdirSync(path)
  const { tracer, processor } = startApp({ store: path })
  const spans: string[] = []
  for (let n = 0; n < 3; n++) {
    spans.push(makeCall(tracer, { 'user.id': 'ada', 'property.Plan': 'pro' }))
    await processor.forceFlush()
  }
  await processor.shutdown()
  rmdirSync(path)
  return spans.sort()
}

/** A small disk of our own takes a kernel that lets us mount one. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function drain(path: string): Promise<{ files: number; calls: number }> {
  const store = await openStore({ path })
  try {
    return await drainSpool(store)
  } finally {
    await store.close()
  }
}

it('a note in the spool of how an app was set up replaces no younger one, and is one', async () => {
  const path = tempLedger()
  const note = (notedMs: number, startedCalls: number): string =>
    JSON.stringify({ notedMs, modules: [], preloaded: false, startedCalls, endedCalls: 0, unrecordedCalls: 0, failures: {} })
  const store = await openStore({ path })
  const known: [string, string][] = [
    ['app:older', note(5, 1)],
    ['app:younger', note(5, 1)],
  ]
  await store.write({ calls: [], marks: () => new Map(known) })
  const notes = [
    ['app:older', note(6, 2)],
    ['app:younger', note(4, 2)],
    ['app:new', note(1, 3)],
    ['app:none', 'x'],
    ['app:list', '[]'],
    ['import:file', note(9, 9)],
  ]
  mkdirSync(`${path}.spool`)
  writeFileSync(join(`${path}.spool`, `${Date.now()}-00.ndjson`), JSON.stringify({ notes }))
  await drainSpool(store)
  expect([...(await store.marks(''))]).toEqual([
    ['app:new', note(1, 3)],
    ['app:older', note(6, 2)],
    ['app:younger', note(5, 1)],
  ])
  await store.close()
})
