import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, describe, expect, it } from 'vitest'

import { temporaryFolder, writeLedger } from './run-command.ts'

const folder = temporaryFolder()
afterAll(() => rmSync(folder, { recursive: true }))
const entry = fileURLToPath(new URL('../dist/index.js', import.meta.url))
const command = fileURLToPath(new URL('../bin/spanledger.mjs', import.meta.url))

function inProcess(script: string, env: Record<string, string> = {}): unknown {
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env: { ...process.env, ...env } })
  return JSON.parse(out)
}

describe('importing spanledger in an app', () => {
  it('has one name for everything an app needs', () => {
    expect(inProcess(`console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(entry)})).sort()))`)).toEqual([
      'IdentitySpanProcessor',
      'LedgerSpanExporter',
      'LedgerSpanProcessor',
      'LlmInstrumentation',
      'StoreError',
      'checkLimit',
      'checkSetup',
      'currentIdentity',
      'defineExperiments',
      'defineModelTiers',
      'defineSegments',
      'defineTiers',
      'getUserExperiment',
      'getUserMetrics',
      'getUserMetricsAsync',
      'getUserSegment',
      'instrument',
      'instrumentationState',
      'loadUserMetrics',
      'openAnalytics',
      'openPriceBook',
      'openStore',
      'track',
      'withProperties',
      'withRetryOf',
      'withSession',
      'withUser',
    ])
  })

  it('loads neither the command line nor SQLite', () => {
    const loaded = inProcess(`
      import { createRequire } from 'node:module'
      await import(${JSON.stringify(entry)})
      const require = createRequire(${JSON.stringify(entry)})
      const isLoaded = (name) => { try { return require.resolve(name) in require.cache } catch { return false } }
      console.log(JSON.stringify(['commander', 'fastify', 'cli-table3', 'picocolors', 'sqlite3'].filter(isLoaded)))`)
    expect(loaded).toEqual([])
  })
})

describe('getUserMetrics', () => {
  it('answers neutrally at first, then what the ledger knows, and runs the seed example as written', async () => {
    const path = await writeLedger(join(folder, 'ledger.db'), [
      { at: '2026-01-05T10:00:00Z', user: 'ada', session: 's1', properties: { feature: 'chat', preference: 'quality' } },
      { at: '2026-01-06T10:00:00Z', user: 'ada', session: 's1', properties: { feature: 'chat', preference: 'Speed' } },
    ])
    const script = `
      import { getUserMetrics, getUserMetricsAsync, loadUserMetrics } from ${JSON.stringify(entry)}
      const getUserPreferredModel = (userId) => {
        const userMetrics = getUserMetrics(userId)
        if (userMetrics.prefers_speed) return 'gpt-4o-mini/openai,gemini-flash/google'
        if (userMetrics.prefers_quality) return 'claude-3.5-sonnet-v2/anthropic,gpt-4o/openai'
        return 'gpt-4o-mini/openai,claude-3.5-haiku/anthropic'
      }
      const before = getUserPreferredModel('ada')
      await loadUserMetrics()
      console.log(JSON.stringify([before, getUserPreferredModel('ada'), getUserMetrics('ada'), getUserMetrics('nobody').known, (await getUserMetricsAsync('ada')).requests]))`
    expect(inProcess(script, { SPANLEDGER_STORE: path })).toEqual([
      'gpt-4o-mini/openai,claude-3.5-haiku/anthropic',
      'gpt-4o-mini/openai,gemini-flash/google',
      {
        user: 'ada',
        known: true,
        requests: 2,
        cost_usd: '0.005000000',
        total_tokens: 2000,
        error_rate: 0,
        active_days: 2,
        requests_per_active_day: 1,
        sessions: 1,
        first_seen: '2026-01-05T10:00:00.000Z',
        last_seen: '2026-01-06T10:00:00.000Z',
        top_model: 'gpt-4o/openai',
        top_feature: 'chat',
        preferred_models: ['gpt-4o/openai'],
        favorite_features: ['chat'],
        session_length_avg_s: null,
        segment: 'churned',
        prefers_speed: true,
        prefers_quality: false,
        preference: { basis: 'property', requests: 0, fast_share: null, quality_share: null },
        communication_style: null,
      },
      false,
      2,
    ])
  })

  it('knows after tiers are defined whom it knew before', async () => {
    const path = await writeLedger(join(folder, 'tiers.db'), [{ at: '2026-01-05T10:00:00Z', user: 'ada' }])
    const script = `
      import { defineTiers, getUserMetrics, loadUserMetrics } from ${JSON.stringify(entry)}
      await loadUserMetrics()
      await defineTiers({ free: { monthly_request_limit: 10 } })
      console.log(JSON.stringify(getUserMetrics('ada').known))`
    expect(inProcess(script, { SPANLEDGER_STORE: path })).toBe(true)
  })

  it('knows limits that were said before it loads a ledger', async () => {
    const path = await writeLedger(join(folder, 'limits.db'), [{ at: new Date(Date.now() - 1000).toISOString(), user: 'ada' }])
    const script = `
      import { checkLimit, defineTiers, loadUserMetrics } from ${JSON.stringify(entry)}
      await defineTiers({ free: { monthly_request_limit: 1 } })
      await loadUserMetrics({ store: ${JSON.stringify(path)} })
      console.log(JSON.stringify([checkLimit('ada').tier, checkLimit('ada').allowed]))`
    expect(inProcess(script, { SPANLEDGER_STORE: join(folder, 'nowhere.db') })).toEqual(['free', false])
  })

  it('never throws without a ledger; loading says what is wrong', () => {
    const script = `
      import { getUserMetrics, loadUserMetrics } from ${JSON.stringify(entry)}
      const { known, requests } = getUserMetrics('ada')
      const failure = await loadUserMetrics().then(() => 'loaded', ({ name, kind }) => [name, kind])
      console.log(JSON.stringify([known, requests, failure]))`
    expect(inProcess(script, { SPANLEDGER_STORE: join(folder, 'absent.db') })).toEqual([false, 0, ['StoreError', 'cannot_open']])
  })
})

describe('getUserExperiment', () => {
  it('runs the seed example as written; each exposure is told once and lands in the ledger under its user', () => {
    const path = join(folder, 'experiments.db')
    const script = `
      import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
      import { trace } from '@opentelemetry/api'
      import { defineExperiments, getUserExperiment, getUserSegment, LedgerSpanProcessor } from ${JSON.stringify(entry)}
      const processor = new LedgerSpanProcessor({ store: ${JSON.stringify(path)} })
      trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }))
      defineExperiments({
        new_chat_ui: { variants: ['control', 'variant_a'] },
        model_selection: { variants: { gpt_first: 1, claude_first: 1 } },
        rollout: { variants: { control: 8, next: 2 } },
      })
      const show = (userId) => {
        const experimentVariant = getUserExperiment(userId, 'new_chat_ui')
        if (experimentVariant === 'variant_a') return 'NewChatUI'
        return 'CurrentChatUI'
      }
      const first = (userId) => {
        const modelTest = getUserExperiment(userId, 'model_selection')
        return modelTest === 'claude_first' ? 'claude-3.5-sonnet-v2/anthropic,gpt-4o/openai' : 'gpt-4o/openai,claude-3.5-sonnet-v2/anthropic'
      }
      const seen = ['user-12345', 'user-3', 'user-3'].map(show)
      const models = ['user-12345', 'user-2'].map(first)
      const unknown = [getUserExperiment('user-3', 'no_such'), getUserExperiment(undefined, 'new_chat_ui'), getUserSegment('nobody')]
      for (let n = 0; n < 20; n++) getUserExperiment('user-' + n, 'rollout')
      await processor.shutdown()
      console.log(JSON.stringify([seen, models, unknown]))`
    expect(inProcess(script, { SPANLEDGER_STORE: path })).toEqual([
      ['CurrentChatUI', 'NewChatUI', 'NewChatUI'],
      ['gpt-4o/openai,claude-3.5-sonnet-v2/anthropic', 'claude-3.5-sonnet-v2/anthropic,gpt-4o/openai'],
      ['control', expect.stringMatching(/^(control|variant_a)$/), null],
    ])
    const report = (...options: string[]): string[][] =>
      execFileSync(process.execPath, [command, 'report', 'experiments', '--store', path, '--format', 'csv', ...options], {
        encoding: 'utf8',
      })
        .split('\r\n')
        .slice(1, -1)
        .map((line) => line.split(','))
    expect(report().map((row) => row.slice(0, 3).join())).toEqual(['model_selection,2,2', 'new_chat_ui,2,2', 'rollout,2,20'])
    const rollout = ['--experiment', 'rollout', '--window', 'end', '--columns', 'variant,planned_share']
    expect(report(...rollout)).toEqual([
      ['control', '0.8'],
      ['next', '0.2'],
    ])
    expect(report(...rollout, '--weights', 'control:1,next:1')).toEqual([
      ['control', '0.5'],
      ['next', '0.5'],
    ])
  })

  it('takes part only who is in a segment, and in one experiment of a namespace; who was given a variant counts for nothing', async () => {
    const now = Date.now()
    const path = await writeLedger(
      join(folder, 'targeted.db'),
      Array.from({ length: 40 }, (_, n) => ({
        at: new Date(now - n * 60_000).toISOString(),
        user: `user-${n}`,
        properties: { plan: n % 2 === 0 ? 'pro' : 'free' },
      })),
    )
    const script = `
      import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
      import { trace } from '@opentelemetry/api'
      import { defineExperiments, defineSegments, getUserExperiment, LedgerSpanProcessor } from ${JSON.stringify(entry)}
      const processor = new LedgerSpanProcessor({ store: ${JSON.stringify(path)} })
      trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }))
      await defineSegments({ pro: { where: ['is', 'property:plan', ['pro']] } })
      defineExperiments({
        targeted: { variants: ['control', 'next'], segments: ['pro'] },
        left: { variants: ['a', 'b'], namespace: { name: 'checkout', from: 0, to: 0.5 } },
        right: { variants: ['a', 'b'], namespace: { name: 'checkout', from: 0.5, to: 1 } },
        given: { variants: ['control', 'next'], coverage: 0, overrides: { ' user-1 ': 'next' } },
      })
      const targeted = Array.from({ length: 40 }, (_, n) => getUserExperiment('user-' + n, 'targeted'))
      for (let n = 0; n < 40; n++) for (const name of ['left', 'right']) getUserExperiment('user-' + n, name)
      const given = ['user-1', 'user-2'].map((user) => getUserExperiment(user, 'given'))
      await processor.shutdown()
      console.log(JSON.stringify([targeted.filter((_, n) => n % 2 === 1), [...new Set(targeted)].sort(), given]))`
    const told = inProcess(script, { SPANLEDGER_STORE: path })
    expect(told).toEqual([Array.from({ length: 20 }, () => 'control'), ['control', 'next'], ['next', 'control']])
    const usersOf = execFileSync(
      process.execPath,
      [command, 'report', 'experiments', '--store', path, '--format', 'csv', '--columns', 'experiment,users'],
      {
        encoding: 'utf8',
      },
    )
    const users = new Map(
      usersOf
        .split('\r\n')
        .slice(1, -1)
        .map((line) => line.split(',') as [string, string]),
    )
    expect(users.get('targeted')).toBe('20')
    expect(users.has('given')).toBe(false)
    // Every user is in one of the two, and nobody in both.
    expect(Number(users.get('left')) + Number(users.get('right'))).toBe(40)
    expect(Number(users.get('left'))).toBeGreaterThan(0)
    expect(Number(users.get('left'))).toBeLessThan(40)
  })

  it('is refused where no variants, weights or coverage can be meant', () => {
    const script = `
      import { defineExperiments } from ${JSON.stringify(entry)}
      const wrong = [{ e: { variants: [] } }, { e: { variants: { a: -1, b: 1 } } }, { e: { variants: ['a', 'b'], coverage: 2 } },
        { e: { variants: ['a', 'b'], namespace: { name: 'n', from: 0.5, to: 0.5 } } }, { e: { variants: ['a', 'b'], overrides: { ada: 'c' } } }]
      console.log(JSON.stringify(wrong.map((one) => { try { defineExperiments(one); return 'taken' } catch ({ name, message }) { return [name, message.slice(0, 30)] } })))`
    expect(inProcess(script)).toEqual([
      ['TypeError', 'Experiment "e" has no variants'],
      ['TypeError', 'Experiment "e" has weights tha'],
      ['TypeError', 'Experiment "e" has coverage 2.'],
      ['TypeError', 'Experiment "e" has no part of '],
      ['TypeError', 'Experiment "e" gives user "ada'],
    ])
  })
})

describe('getUserSegment', () => {
  it('knows the segments that an app defines, the first that fits or all of them', async () => {
    const now = Date.now()
    const path = await writeLedger(
      join(folder, 'segments.db'),
      ['ada', 'ada', 'bob'].map((user, n) => ({
        at: new Date(now - n * 60_000).toISOString(),
        user,
        properties: { plan: user === 'ada' ? 'pro' : 'free' },
      })),
    )
    const script = `
      import { checkLimit, defineSegments, getUserSegment } from ${JSON.stringify(entry)}
      const segments = {
        busy: { where: 'plan = pro', having: 'requests >= 2', limits: { monthly_request_limit: 1 } },
        paying: { where: 'plan = pro' },
      }
      await defineSegments(segments)
      const first = ['ada', 'bob', 'nobody'].map(getUserSegment)
      await defineSegments(segments, { mode: 'multi' })
      const wrong = []
      for (const one of [{ power: {} }, { x: { where: 'plann = pro' } }])
        await defineSegments(one).catch(({ name, message }) => wrong.push([name, message.slice(0, 14)]))
      await defineSegments(segments)
      console.log(JSON.stringify([first, ['ada', 'bob'].map(getUserSegment), wrong, checkLimit('ada').tier]))`
    const multi = script.replace(
      'await defineSegments(segments)\n      console',
      'await defineSegments(segments, { mode: "multi" })\n      console',
    )
    expect(inProcess(script, { SPANLEDGER_STORE: path })).toEqual([
      ['busy', 'new', null],
      ['busy', 'new'],
      [
        ['QueryError', '"power" is an '],
        ['QueryError', 'Unknown name "'],
      ],
      'busy',
    ])
    expect((inProcess(multi, { SPANLEDGER_STORE: path }) as unknown[])[1]).toEqual(['new, busy, paying', 'new'])
  })
})

describe('checkLimit', () => {
  it('says at once whether a user may go on, from the ledger of the app', async () => {
    const now = new Date()
    const at = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1, 0, 0, 0)).toISOString()
    const path = await writeLedger(join(folder, 'limits.db'), [
      { at, user: 'ada', properties: { plan: 'free' } },
      { at, user: 'ada', properties: { plan: 'free' } },
      { at, user: 'bob', properties: { plan: 'free' } },
    ])
    const script = `
      import { checkLimit, defineTiers } from ${JSON.stringify(entry)}
      const before = checkLimit('ada').allowed
      await defineTiers({ free_tier: { where: 'plan = free', monthly_request_limit: 2 } })
      const wrong = await defineTiers({ x: { limit: 5 } }).then(() => 'taken', ({ name }) => name)
      console.log(JSON.stringify([before, checkLimit('ada').allowed, checkLimit('bob').remaining, checkLimit('cyd').allowed, wrong]))`
    expect(inProcess(script, { SPANLEDGER_STORE: path })).toEqual([true, false, 1, true, 'QueryError'])
  })
})
