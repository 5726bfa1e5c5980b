import { isModelChosen } from './chosen-models.ts'
import type { Dimension } from '../../query/dimensions.ts'
import { metricTable } from '../../query/metrics.ts'
import type { ModelTiers } from '../../query/model-tiers.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { Scope } from '../../plan/scope.ts'

/** Whether a user would rather have it fast or good, and what says so. */
export interface Preference {
  /** `property`: what the user's latest call says; `choices`: which models the user chose; `none`: nothing does. */
  readonly basis: 'property' | 'choices' | 'none'
  readonly prefers: 'speed' | 'quality' | undefined
  /** The requests of the last 30 days whose model the user chose, and which share of them went to a fast one, to a good one. */
  readonly requests: number
  readonly fast_share: number | null
  readonly quality_share: number | null
}

export const noPreference: Preference = { basis: 'none', prefers: undefined, requests: 0, fast_share: null, quality_share: null }

const USER: Dimension = { kind: 'column', name: 'user' }
const MODEL: Dimension = { kind: 'column', name: 'model' }

const CHOICE_DAYS = 30
export const MIN_CHOICES = 20
const MIN_LEAD = 0.2

/**
 * The preferences of users: what property `preference` of the latest call says (`speed`, `quality`); else, of those with
 * at least 20 requests in the last 30 days whose model the user chose, what they chose by at least 0.2 of these more often.
 * Users of whom nothing is known are left out.
 */
export async function readPreferences(frame: Frame, scope: Scope, userIds: readonly number[]): Promise<ReadonlyMap<number, Preference>> {
  const found = new Map(await readChoices(frame, scope, userIds))
  for (const [userId, said] of await readSaid(frame, scope, userIds)) {
    const prefers = said === 'speed' || said === 'quality' ? said : undefined
    found.set(userId, { ...(found.get(userId) ?? noPreference), basis: 'property', prefers })
  }
  return found
}

/** The latest value of property "preference" of each user that has one. */
async function readSaid({ store, catalog }: Frame, scope: Scope, userIds: readonly number[]): Promise<ReadonlyMap<number, string>> {
  if (!catalog.keys.has('preference')) return new Map()
  const reading = { dimensions: [USER, { kind: 'property', key: 'preference' } as const], metrics: ['last_call_at' as const] }
  const latest = new Map<number, { value: string; ms: number }>()
  for (const { keys, labels, group } of await readGroups(store, { ...scope, userIds }, reading)) {
    const id = Number(keys[0] ?? 0)
    const ms = group.lastStartMs ?? 0
    if (labels[1] === null || labels[1] === undefined || (latest.get(id)?.ms ?? -1) >= ms) continue
    latest.set(id, { value: String(labels[1]).trim().toLowerCase(), ms })
  }
  return new Map([...latest].map(([id, { value }]) => [id, value]))
}

async function readChoices(frame: Frame, { period: { toMs } }: Scope, userIds: readonly number[]): Promise<[userId: number, Preference][]> {
  const where = isModelChosen(frame)
  if (where === undefined) return []
  const period = { fromMs: toMs - CHOICE_DAYS * 86_400_000, toMs }
  const clock = { ...frame.clock, asOfMs: toMs }
  const chosen = await readGroups(
    frame.store,
    { ...(await scopeOf({ ...frame, clock, where }, period)), userIds },
    { dimensions: [USER, MODEL], metrics: ['requests'] },
  )
  if (chosen.length === 0) return []
  const { modelTiers } = frame.clock
  const tierOf = modelTiers === undefined ? tercilesOf(await readModels({ ...frame, clock }, period)) : givenTiers(modelTiers)
  const counts = new Map<number, { fast: number; quality: number; all: number }>()
  for (const { keys, labels, group } of chosen) {
    const ofUser = counts.get(Number(keys[0])) ?? { fast: 0, quality: 0, all: 0 }
    const requests = group.sums.get('requests') ?? 0
    const tier = tierOf(String(labels[1]))
    if (tier !== undefined) ofUser[tier] += requests
    ofUser.all += requests
    counts.set(Number(keys[0]), ofUser)
  }
  return [...counts].map(([userId, count]) => [userId, preferenceOf(count)])
}

function preferenceOf({ fast, quality, all }: { fast: number; quality: number; all: number }): Preference {
  const shares = { requests: all, fast_share: fast / all, quality_share: quality / all }
  if (all < MIN_CHOICES) return { ...shares, basis: 'none', prefers: undefined }
  // In whole requests: 0.6 - 0.4 is less than 0.2.
  const lead = MIN_LEAD * all - 1e-9
  return { ...shares, basis: 'choices', prefers: fast - quality >= lead ? 'speed' : quality - fast >= lead ? 'quality' : undefined }
}

type TierOf = (model: string) => 'fast' | 'quality' | undefined

function givenTiers({ fast, quality }: ModelTiers): TierOf {
  const tiers = new Map([...fast.map((name) => [name, 'fast'] as const), ...quality.map((name) => [name, 'quality'] as const)])
  return (model) => tiers.get(model) ?? tiers.get(model.slice(0, model.lastIndexOf('/')))
}

interface ModelFacts {
  readonly model: string
  readonly latencyMs: number
  readonly costPerToken: number
}

async function readModels(frame: Frame, period: { fromMs: number; toMs: number }): Promise<ModelFacts[]> {
  const scope = await scopeOf({ ...frame, where: undefined }, period)
  const metrics = ['requests', 'cost_usd', 'total_tokens', 'latency_avg_ms'] as const
  const groups = await readGroups(frame.store, scope, { dimensions: [MODEL], metrics })
  return groups.flatMap(({ labels, group }): ModelFacts[] => {
    const tokens = Number(metricTable.total_tokens.of(group) ?? 0)
    const cost = metricTable.cost_usd.of(group)
    const latency = metricTable.latency_avg_ms.of(group)
    if (tokens === 0 || cost === null || latency === null) return []
    return [{ model: String(labels[0]), latencyMs: Number(latency), costPerToken: Number(cost) / tokens }]
  })
}

/** The third of models that answers soonest is fast, the third that costs most per token good; what is both is neither. */
function tercilesOf(models: readonly ModelFacts[]): TierOf {
  const third = (of: (facts: ModelFacts) => number): Set<string> =>
    new Set(
      [...models]
        .sort((a, b) => of(a) - of(b) || (a.model < b.model ? -1 : 1))
        .slice(0, Math.ceil(models.length / 3))
        .map(({ model }) => model),
    )
  const fast = third(({ latencyMs }) => latencyMs)
  const quality = third(({ costPerToken }) => -costPerToken)
  return (model) => (fast.has(model) === quality.has(model) ? undefined : fast.has(model) ? 'fast' : 'quality')
}
