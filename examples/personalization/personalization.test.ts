import { openAnalytics, openStore } from 'spanledger'
import { describe, expect, it } from 'vitest'

import { ask } from '../../test/app.ts'
import { runExample } from '../../test/run-example.ts'

const modelOf = ({ body }: { body: unknown }): string => String((body as { model: unknown }).model)

describe('a model by preference', () => {
  it('is the one that the history of the user asks for, and the ordinary one where there is none', async () => {
    const { path, stdout, standIn } = await runExample('personalization', { program: 'dist/preferred-model.js' })
    expect(stdout.trim().split('\n')).toEqual([
      'ada: claude-3.5-sonnet-v2/anthropic,gpt-4o/openai',
      'ben: gpt-4o-mini/openai,gemini-flash/google',
      'cleo: gpt-4o-mini/openai,claude-3.5-haiku/anthropic',
      'somebody new: gpt-4o-mini/openai,claude-3.5-haiku/anthropic',
    ])
    expect(standIn.requests.map(modelOf)).toEqual([
      'gpt-4o',
      'gpt-4o',
      'gpt-4o',
      'claude-3.5-sonnet-v2',
      'gpt-4o-mini',
      'gpt-4o-mini',
      'gpt-4o-mini',
    ])
    expect(await ask(path, { metrics: ['requests', 'unpriced_requests'], by: ['user'], order_by: [['user', 'asc']] })).toEqual([
      ['ada', 2, 0],
      ['ben', 2, 0],
      ['cleo', 2, 0],
      ['somebody new', 1, 0],
    ])
  })
})

describe('an experiment', () => {
  it('decides which component a user sees, and tells each exposure once', async () => {
    const { path, stdout } = await runExample('personalization', { program: 'dist/feature-test.js' })
    const better = '<main><p>Ask away</p><p>or pick up where you left off</p></main>'
    expect(stdout.trim().split('\n')).toEqual(['user-12345: <main>Ask away</main>', `user-3: ${better}`, `user-3: ${better}`])
    const store = await openStore({ path, readOnly: true })
    const { rows } = await openAnalytics(store).report('experiments', { options: { experiment: 'new_chat_ui', window: 'end' } })
    await store.close()
    expect(rows.map(({ variant, users, planned_share: share }) => [variant, users, share])).toEqual([
      ['control', 1, 0.5],
      ['variant_a', 1, 0.5],
    ])
  })

  it('gives each user one variant, in every process, which decides the model that is asked', async () => {
    const [first, second] = await Promise.all([
      runExample('personalization', { program: 'dist/ab-test.js' }),
      runExample('personalization', { program: 'dist/ab-test.js' }),
    ])
    const variants = { metrics: ['requests'], by: ['user', 'model'], order_by: [['user', 'asc']] } as const
    const assigned = await ask(first.path, variants)
    expect(assigned).toHaveLength(40)
    expect(assigned.every(([, , requests]) => requests === 2)).toBe(true)
    expect(await ask(second.path, variants)).toEqual(assigned)
    const claude = first.standIn.requests.filter((request) => modelOf(request) === 'claude-3.5-sonnet-v2').length / 2
    expect(claude).toBeGreaterThan(8)
    expect(claude).toBeLessThan(32)
    expect(first.stdout).toMatch(new RegExp(`'claude_first' *│ ${claude} `))
    expect(first.stdout).toMatch(new RegExp(`'gpt_first' *│ ${40 - claude} `))
  })
})
