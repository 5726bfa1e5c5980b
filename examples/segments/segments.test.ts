import { describe, expect, it } from 'vitest'

import { ask } from '../../test/app.ts'
import { chargedNanoUsd, runExample } from '../../test/run-example.ts'

describe('segments', () => {
  it('answers its three questions from the calls it made', async () => {
    const { path, stdout, standIn } = await runExample('segments')
    const requests = { metrics: ['requests'] }
    expect(await ask(path, { ...requests, by: ['property:environment'], where: 'exists environment' })).toEqual([
      ['production', 3],
      ['development', 1],
      ['staging', 1],
    ])
    expect(
      await ask(path, { metrics: ['requests', 'users'], by: ['property:User-Type', 'property:feature'], where: 'exists user_type' }),
    ).toEqual([
      ['free', 'spellcheck', 7, 2],
      ['paid', 'chat', 3, 1],
      ['free', 'chat', 1, 1],
      ['paid', 'spellcheck', 1, 1],
    ])
    expect(
      await ask(path, { ...requests, by: ['property:Location'], where: '"device type" = mobile and "activity level" = high' }),
    ).toEqual([
      ['Berlin', 1],
      ['Lisbon', 1],
    ])
    const [[cost] = []] = await ask(path, { metrics: ['cost_usd'] })
    expect(Math.round(Number(cost) * 1e9)).toBe(chargedNanoUsd(standIn.requests))
    expect(stdout).toMatch(/'production' .* 3 /)
    expect(stdout).toContain('Spellchecks: 7 by free users, 1 by paying ones.')
    expect(stdout).toMatch(/'Lisbon' .*'high' /)
  })

  it('sends the provider no word of the segments', async () => {
    const { standIn } = await runExample('segments')
    const bodies = standIn.requests.map(({ body }) => Object.keys(body as object).sort())
    expect(new Set(bodies.map(String))).toEqual(new Set(['messages,model']))
  })
})
