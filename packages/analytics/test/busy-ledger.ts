import type { Store } from '@spanledger/store'

import type { ReportParams } from '../src/index.ts'
import { eventOf, scoreFacts, type EventWords } from './events.ts'
import { callOf, ledgerOf, type CallWords } from './ledger.ts'

const DAY_MS = 86_400_000
export const AS_OF = Date.parse('2026-04-15T12:00:00Z')
const days = 120
const plans = ['pro', 'free']
const features = ['chat', 'code', 'search']
const tiers = JSON.stringify({
  pro: { where: 'plan = pro', monthly_request_limit: 100 },
  free: { where: 'plan = free', monthly_request_limit: 10 },
})

/** The same numbers each time, from 0 to 1. */
function seeded(): () => number {
  let state = 7
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
}

/** Every eighth user begins free, and pays after ten days. */
function planOf(n: number, ownDay: number): string {
  return n % 8 === 1 && ownDay > 10 ? 'pro' : (plans[n % 2] ?? '')
}

/** Users of two plans who come and go over four months, three who call far too often on a day, and one who only fails. */
function calls(): (CallWords & { fingerprint?: number })[] {
  const random = seeded()
  const found: (CallWords & { fingerprint?: number })[] = []
  for (let n = 0; n < 40; n++) {
    const came = Math.floor(random() * (days - 1))
    const leaves = random() < 0.4 ? came + 30 : days
    for (let day = came; day < Math.min(leaves, days); day++) {
      if (day !== came && random() < 0.6) continue
      for (let k = 0; k < 1 + Math.floor(random() * 4); k++) {
        const failed = random() < (n % 4 === 0 ? 0.4 : 0.05)
        found.push({
          at: AS_OF - (days - day) * DAY_MS + Math.floor(random() * 20) * 1_800_000 + k * 60_000,
          user: `${n % 3 === 0 ? 'a' : 'b'}${n}`,
          session: random() < 0.5 ? `s${day}` : undefined,
          properties: {
            plan: planOf(n, day - came),
            feature: features[Math.floor(random() * 3)] ?? '',
            signup_date: dateOf(came - (n % 5)),
            timezone: n % 4 === 0 ? 'Europe/Berlin' : 'Asia/Tokyo',
            ...(n % 5 === 0 ? { preference: n % 2 === 0 ? 'speed' : 'quality' } : {}),
          },
          model: random() < 0.5 ? 'gpt-4o' : 'gpt-5',
          operation: random() < 0.9 ? 'chat' : 'embeddings',
          status: failed ? 'error' : 'ok',
          errorClass: failed ? (random() < 0.5 ? 'rate_limit' : 'timeout') : undefined,
          latencyMs: Math.floor(100 + random() * 20_000),
          ttftMs: Math.floor(random() * 900),
          costNanoUsd: Math.floor(random() * 1e7),
          fingerprint: 1000 + Math.floor(random() * 2),
        })
      }
    }
  }
  for (const [n, user] of ['a0', 'b1', 'b2'].entries())
    for (let k = 0; k < 300; k++)
      found.push({ at: AS_OF - (3 + 40 * n) * DAY_MS + k * 1000, user, properties: { plan: plans[n % 2] ?? '', feature: 'bulk' } })
  // Who signed up three weeks before the first call, and never had a success.
  for (const day of [70, 60])
    found.push({
      at: AS_OF - day * DAY_MS,
      user: 'b40',
      status: 'error',
      properties: { plan: 'free', feature: 'chat', signup_date: dateOf(days - 91) },
    })
  return [...found, ...callsOfAnEarlyHour(found)]
}

/**
 * As many calls at five as make it the third hour of the day, and not the third in each such hour that there was: history begins
 * behind it and ends before those of the afternoon.
 */
function callsOfAnEarlyHour(others: readonly CallWords[]): CallWords[] {
  const first: CallWords = { at: AS_OF - 122 * DAY_MS + 10.5 * 3_600_000, user: 'b39', properties: { plan: 'pro', feature: 'chat' } }
  const byHour = Array.from({ length: 24 }, (_, hour) => others.filter(({ at }) => new Date(at).getUTCHours() === hour).length)
  const [, , third = 0] = byHour.toSorted((a, b) => b - a)
  const morning = AS_OF - 50 * DAY_MS - 7 * 3_600_000
  return [
    first,
    ...Array.from({ length: third + 1 }, (_, k): CallWords => ({
      at: morning + (k % 40) * DAY_MS + Math.floor(k / 40) * 240_000,
      user: 'a3',
      properties: { plan: 'free', feature: features[k % 3] ?? '' },
    })),
  ]
}

function dateOf(day: number): string {
  return new Date(AS_OF - (days - day) * DAY_MS).toISOString().slice(0, 10)
}

export function events(): EventWords[] {
  const random = seeded()
  return Array.from({ length: 240 }, (_, one): EventWords[] => {
    const [n, k] = [one % 40, Math.floor(one / 40)]
    const at = AS_OF - Math.floor(random() * (days - 1) + 1) * DAY_MS + k * 60_000
    const whose = {
      at,
      user: `${n % 3 === 0 ? 'a' : 'b'}${n}`,
      properties: { plan: plans[n % 2], feature: features[n % 3] },
    }
    const stars = scoreFacts({ name: 'stars', value: 1 + Math.floor(random() * 5), min: 1, max: 5 })
    return [
      { ...whose, kind: 'feedback', session: `s${k}`, says: stars },
      { ...whose, kind: 'goal', session: `s${k}`, says: { 'event.name': 'sent', 'goal.success': random() < 0.5 } },
      { ...whose, kind: 'goal', says: { 'event.name': 'filled', 'goal.success': true, 'task.id': `t${one}`, 'task.step': 'first' } },
      { ...whose, kind: 'milestone', says: { 'event.name': 'profile' } },
      { ...whose, kind: 'nps', says: { 'nps.score': Math.floor(random() * 11) } },
      { ...whose, kind: 'revenue', says: { 'revenue.amount': 1 + Math.floor(random() * 50) } },
      {
        ...whose,
        kind: 'exposed',
        says: { 'experiment.key': k % 2 === 0 ? 'button' : 'colour', 'experiment.variant': n % 2 === 0 ? 'control' : 'red' },
      },
    ]
  }).flat()
}

/** What a report cannot be asked without. */
export const needs: Readonly<Record<string, ReportParams>> = {
  user: { user: 'a0' },
  properties: { by: ['property:plan'] },
  bias: { by: ['property:plan'] },
  funnel: { options: { steps: 'first_request, feature = code' } },
  tiers: { options: { tiers } },
}

/** Where every report has something to tell, and most options make a difference; `without` one user, nothing but money is said of it. */
export async function busyLedger({ without, store }: { without?: string; store?: Store } = {}): Promise<Store> {
  const ledger = store ?? (await ledgerOf([]))
  const all = calls().map((call) =>
    call.user !== undefined && call.user === without
      ? Object.assign(call, { user: undefined, session: undefined, properties: {}, fingerprint: undefined })
      : call,
  )
  for (let at = 0; at < all.length; at += 500)
    await ledger.write({
      calls: all.slice(at, at + 500).map(({ fingerprint, ...words }) => Object.assign(callOf(words), { fingerprint })),
    })
  const told = events().flatMap((one): EventWords[] => {
    if (one.user === undefined || one.user !== without) return [one]
    return one.kind === 'revenue' ? [Object.assign(one, { user: undefined, session: undefined, properties: {} })] : []
  })
  await ledger.write({ calls: [], events: told.map(eventOf) })
  return ledger
}
