import { expect, it } from 'vitest'

import { ask } from '../../test/app.ts'
import { chargedNanoUsd, runExample } from '../../test/run-example.ts'

it('billing-export: the lines add up to what the provider charged, to the nano-dollar', async () => {
  const { path, stdout, stderr, standIn } = await runExample('billing-export')
  const [header, ...lines] = stdout.trimEnd().split('\r\n')
  expect(header).toBe('user,plan,requests,total_tokens,cost_usd,unpriced_requests')
  expect(lines.map((line) => line.replace(/,\d+,\d+\.\d{9},/, ',TOKENS,COST,'))).toEqual([
    '"acme, inc.",enterprise,5,TOKENS,COST,0',
    'ben,pro,4,TOKENS,COST,0',
    'cleo,free,3,TOKENS,COST,0',
  ])
  const costs = lines.map((line) => Number((/,(\d+\.\d{9}),/.exec(line)?.[1] ?? '').replace('.', '')))
  const charged = ['acme, inc.', 'ben', 'cleo'].map((_, n) => chargedNanoUsd(standIn.requests.slice([0, 5, 9][n], [5, 9, 12][n])))
  expect(costs).toEqual(charged)
  const [[total] = []] = await ask(path, { metrics: ['cost_usd'] })
  expect(stderr).toContain(`3 lines, ${String(total)} USD, as the ledger says`)
  const enterprise = String(200_000_000_000 - (charged[0] ?? 0)).padStart(12, '0')
  expect(stderr).toContain(`margin_usd ${enterprise.slice(0, 3)}.${enterprise.slice(3)}`)
  expect(stderr).toMatch(/plan free .* margin_usd -0\.0000\d{5}$/m)
})

it('billing-export: a month without calls has no lines', async () => {
  const { stdout, stderr } = await runExample('billing-export', { args: ['2020-01'] })
  expect(stdout).toBe('user,plan,requests,total_tokens,cost_usd,unpriced_requests\r\n')
  expect(stderr).toContain('2020-01: 0 lines, 0.000000000 USD')
})
