import { expect, it } from 'vitest'

import { openAnalytics } from '../../src/index.ts'
import { ledgerOf } from '../ledger.ts'

it('the verdict whether an input count holds cached tokens is kept, exported, and counted for doctor', async () => {
  const store = await ledgerOf([
    { at: '2026-01-05T10:00:00Z', cacheVerdict: { inputIncludesCache: true, by: 'conventions' } },
    { at: '2026-01-05T10:00:01Z', cacheVerdict: { inputIncludesCache: true, by: 'conventions' } },
    { at: '2026-01-05T10:00:02Z', cacheVerdict: { inputIncludesCache: false, by: 'arithmetic' } },
    { at: '2026-01-05T10:00:03Z' },
  ])
  const analytics = openAnalytics(store, { now: () => Date.parse('2026-01-06T00:00:00Z') })
  const exported: unknown[] = []
  for await (const rows of analytics.calls()) exported.push(...rows.map(({ cache_verdict: verdict, properties }) => [verdict, properties]))
  expect(exported).toEqual([
    ['included_by_conventions', '{}'],
    ['included_by_conventions', '{}'],
    ['left_out_by_arithmetic', '{}'],
    [null, '{}'],
  ])
  expect((await analytics.facts()).cacheVerdicts).toEqual(
    new Map([
      ['included_by_conventions', 2],
      ['left_out_by_arithmetic', 1],
    ]),
  )
  expect(await store.verify()).toMatchObject({ ok: true })
  await store.close()
})
