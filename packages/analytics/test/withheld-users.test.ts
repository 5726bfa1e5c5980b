import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Store } from '@spanledger/store'

import { isComposite, openAnalytics, reportList, type Analytics, type ReportParams } from '../src/index.ts'
import { AS_OF, busyLedger, needs } from './busy-ledger.ts'
import { ledgerOf } from './ledger.ts'

/** Who calls most, has an alias, a trait, and events of every kind. */
const USER = 'b1'
/** As it would be quoted, listed or part of a longer text. */
const named = new RegExp(`(?<![a-z0-9])${USER}(?![a-z0-9])|anon-of-it|Northwind`)

const reports = reportList.map(({ name }) => name)

async function tell(analytics: Analytics, name: string, more: ReportParams = {}): Promise<unknown> {
  const { options, ...asked } = { ...needs[name], ...(name === 'user_profile' ? { user: 'a0' } : {}), ...more }
  const ask = isComposite(name) ? analytics.composite : analytics.report
  const answer = await ask(name, { ...asked, ...(options === undefined ? {} : { options }) })
  return JSON.parse(JSON.stringify(answer)) as unknown
}

describe('a user who is erased, or opted out before the first call', () => {
  const stores: Partial<Record<'known' | 'erased' | 'optedOut' | 'neverSaid', Store>> = {}
  const open = (which: keyof typeof stores): Analytics => {
    const store = stores[which]
    if (store === undefined) throw new Error('not open')
    return openAnalytics(store, { now: () => AS_OF })
  }
  const known = async (): Promise<Store> => {
    const store = await busyLedger()
    await store.alias('anon-of-it', USER)
    await store.writeTraits([{ user: USER, name: 'company', value: 'Northwind', validFromMs: undefined }])
    return store
  }
  beforeAll(async () => {
    stores.known = await known()
    stores.erased = await known()
    await stores.erased.closeDays()
    await stores.erased.erase('anon-of-it')
    stores.neverSaid = await busyLedger({ without: USER })
    stores.optedOut = await ledgerOf([])
    await stores.optedOut.optOut(USER)
    await busyLedger({ store: stores.optedOut })
  })
  afterAll(async () => {
    for (const store of Object.values(stores)) await store.close()
  })

  it('is told of by most reports otherwise', async () => {
    const told = await Promise.all(reports.map(async (name) => named.test(JSON.stringify(await tell(open('known'), name)))))
    expect(told.filter(Boolean).length).toBeGreaterThan(8)
  })

  it.each(reports)('is in no answer of %s, which is as if nothing but the money had been told of it', async (name) => {
    const never = withoutPrivacy(await tell(open('neverSaid'), name))
    for (const which of ['erased', 'optedOut'] as const) {
      const told = await tell(open(which), name)
      expect(JSON.stringify(told)).not.toMatch(named)
      expect(withoutPrivacy(told)).toEqual(never)
    }
  })

  it('is not asked for by name, in segments or from memory either', async () => {
    for (const which of ['erased', 'optedOut'] as const) {
      const analytics = open(which)
      expect((await analytics.query({ metrics: ['requests'], by: ['user'], limit: 1000 })).rows.map(({ user }) => user)).not.toContain(USER)
      expect((await analytics.report('users', { user: USER })).rows).toEqual([])
      await analytics.loadUserMetrics()
      expect(analytics.getUserMetrics(USER)).toMatchObject({ known: false, requests: 0 })
      expect(analytics.getUserMetrics(USER).segment).toBeNull()
    }
  })

  it('leaves revenue, cost and margin of every month', async () => {
    const money = async (which: keyof typeof stores): Promise<unknown> =>
      (await open(which).report('business', {})).rows.map(({ month, revenue_usd, received_usd, cost_usd, margin_usd }) => ({
        month,
        revenue_usd,
        received_usd,
        cost_usd,
        margin_usd,
      }))
    const before = await money('known')
    expect(await money('erased')).toEqual(before)
    expect(await money('optedOut')).toEqual(before)
  })
})

/** What is counted of opt-outs and erasures is what differs. */
function withoutPrivacy(told: unknown): unknown {
  const answer = told as { schema: string; rows?: { area: string }[]; sections?: { name: string }[] }
  if (answer.schema === 'privacy/v1') return answer.rows?.filter(({ area }) => area === 'consent')
  return answer.sections === undefined ? answer : { ...answer, sections: answer.sections.filter(({ name }) => name !== 'privacy') }
}

describe('the report privacy', () => {
  it('counts consents, opt-outs and erasures, and what is held', async () => {
    const store = await busyLedger()
    await store.optOut('somebody')
    await store.erase(USER)
    const analytics = openAnalytics(store, { now: () => AS_OF })
    const { rows } = await analytics.report('privacy', {})
    const of = (area: string, item: string): unknown => rows.find((row) => row['area'] === area && row['item'] === item)
    const { totals } = await analytics.query({ metrics: ['requests', 'users'] })
    expect(of('opt_out', 'opted out')).toMatchObject({ users: 1 })
    expect(of('erasure', 'erased')).toMatchObject({ users: 1 })
    expect(of('erasure', "payments made nobody's")).toMatchObject({ records: 6 })
    const [ofUsers, ofNobody] = [of('held', 'calls of users'), of('held', 'calls of nobody')] as { users: number; records: number }[]
    expect({ users: ofUsers?.users, requests: (ofUsers?.records ?? 0) + (ofNobody?.records ?? 0) }).toEqual({
      users: totals['users'],
      requests: totals['requests'],
    })
    expect(ofNobody).toMatchObject({ records: (await store.erasures())[0]?.calls })
    await store.close()
  })

  it('refuses a filter and a period: it is of the ledger as it is', async () => {
    const store = await busyLedger()
    const analytics = openAnalytics(store, { now: () => AS_OF })
    await expect(analytics.report('privacy', { where: 'plan = pro' })).rejects.toThrow('whole ledger')
    await expect(analytics.report('privacy', { last: '7d' })).rejects.toThrow('the ledger as it is')
    const { meta } = JSON.parse(JSON.stringify(await analytics.composite('quarterly', { where: 'plan = pro' }))) as {
      meta: { warnings: string[] }
    }
    expect(meta.warnings.join()).toContain('section privacy is left out')
    await store.close()
  })
})
