import type { ScopeWords } from '../plan/scope-of.ts'
import { activityWindows } from '../segments/automatic-segments.ts'
import { readCallsBefore, segmentsFrom, type Activities, type UserSegments } from '../segments/read-segments.ts'
import type { PowerMeasure, SegmentRules } from '../segments/segment-rules.ts'
import { percentileRanks } from '../statistics/quantiles.ts'
import { readSignUps } from './read-sign-ups.ts'
import { UsageReader } from './read-usage.ts'

/**
 * The automatic segments at each of some ascending instants, one after the other: decided from all calls before it, whatever a question
 * is restricted to, and by what rules say.
 */
export async function* readAutomaticAt(
  asked: ScopeWords,
  { instants, rules }: { instants: readonly number[]; rules: SegmentRules },
): AsyncGenerator<UserSegments> {
  let n = 0
  for (const calls of await readCallsBefore(asked.store, instants)) {
    const asOfMs = instants[n++] ?? 0
    const words = everything(asked, asOfMs)
    yield segmentsFrom(await byRules(words, { calls, rules }), { asOfMs, zone: words.zone })
  }
}

/** The same at one instant. */
export async function readAutomatic(words: ScopeWords, { asOfMs, rules }: { asOfMs: number; rules: SegmentRules }): Promise<UserSegments> {
  for await (const only of readAutomaticAt(words, { instants: [asOfMs], rules })) return only
  throw new Error('Every instant has its segments.')
}

/** Words that choose all calls, as they were known at an instant. */
function everything(words: ScopeWords, asOfMs: number): ScopeWords {
  return { ...words, clock: { asOfMs }, dimensions: [], where: undefined, attribution: undefined, lists: new Map(), traits: 'current' }
}

async function byRules(words: ScopeWords, { calls, rules }: { calls: Activities; rules: SegmentRules }): Promise<Activities> {
  const usage = await readUsage(words, { calls, measure: rules.power })
  const days = rules.at_risk === 'active_days' ? await readDays(words, calls) : {}
  const signUps = rules.new === 'sign_up' ? await readSignUpTimes(words) : undefined
  return { ...calls, ...days, usage, signUps }
}

async function readUsage(
  words: ScopeWords,
  { calls, measure }: { calls: Activities; measure: PowerMeasure },
): Promise<Float64Array | undefined> {
  const { asOfMs } = words.clock
  const period = { fromMs: asOfMs - activityWindows.last30Days, toMs: asOfMs }
  const reader = new UsageReader(words, calls.last30Days.length - 1)
  switch (measure) {
    case 'requests':
      return undefined
    case 'tokens':
      return reader.tokens(period)
    case 'cost':
      return reader.costNanoUsd(period)
    case 'active_time':
      return reader.activeMs(period)
    case 'composite':
      return meanRanks(calls.last30Days, await reader.activeMs(period))
  }
}

/** The mean of where active users stand by calls and by active time: midrank percentiles, 0 to 100; 0 for who was not active. */
function meanRanks(requests: Float64Array, activeMs: Float64Array): Float64Array {
  const active = Array.from(requests.keys()).filter((userId) => (requests[userId] ?? 0) > 0)
  const ranksOf = (values: Float64Array): Float64Array => percentileRanks(Float64Array.from(active, (userId) => values[userId] ?? 0))
  const [byRequests, byTime] = [ranksOf(requests), ranksOf(activeMs)]
  const means = new Float64Array(requests.length)
  for (const [n, userId] of active.entries()) means[userId] = ((byRequests[n] ?? 0) + (byTime[n] ?? 0)) / 2
  return means
}

async function readDays(words: ScopeWords, { last30Days }: Activities): Promise<Pick<Activities, 'prior' | 'recent'>> {
  const { asOfMs } = words.clock
  const reader = new UsageReader(words, last30Days.length - 1)
  const middle = asOfMs - activityWindows.recent
  return {
    prior: await reader.activeDays({ fromMs: asOfMs - activityWindows.prior, toMs: middle }),
    recent: await reader.activeDays({ fromMs: middle, toMs: asOfMs }),
  }
}

async function readSignUpTimes(words: ScopeWords): Promise<ReadonlyMap<number, number>> {
  const { signUps } = await readSignUps(words)
  return new Map(Array.from(signUps, ([userId, { ms }]) => [userId, ms]))
}
