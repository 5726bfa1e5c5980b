import { expect, it } from 'vitest'

import { ask } from '../../test/app.ts'
import { chargedNanoUsd, runExample } from '../../test/run-example.ts'

it('quickstart: each call is in the ledger once, for its user, at what the provider charged', async () => {
  const { path, stdout, standIn } = await runExample('quickstart')
  expect(standIn.requests).toHaveLength(6)
  expect(await ask(path, { metrics: ['requests', 'sessions', 'unpriced_requests'], by: ['user', 'property:plan'] })).toEqual([
    ['ada', 'premium', 4, 1, 0],
    ['ben', 'free', 2, 1, 0],
  ])
  const [[cost] = []] = await ask(path, { metrics: ['cost_usd'] })
  expect(Math.round(Number(cost) * 1e9)).toBe(chargedNanoUsd(standIn.requests))
  const users = (await ask(path, { metrics: ['cost_usd'], by: ['user'] })) as [string, string][]
  for (const [user, userCost] of users) expect(stdout).toMatch(new RegExp(`'${user}' .*'${userCost}'`))
})
