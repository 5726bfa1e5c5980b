import { seededRandom, seedOf, type SeededRandom } from '@spanledger/stand-in'

import { integer, logNormal, pick, type Weighted } from './distributions.ts'
import type { SampleFeatureName, SampleModelName } from './sample-models.ts'

/** A user of the sample app and the life that the history gives it. */
export interface SampleUser {
  /** Undefined for the traffic of visitors who never signed in. */
  readonly id: string | undefined
  readonly life: Life
  readonly plan: Plan
  /** The first day on this plan instead, for those who change; counted back from the end. */
  readonly upgrade: { readonly daysAgo: number; readonly plan: Plan } | undefined
  /** Days before the end on which the user signed up; may lie before the history begins. */
  readonly signedUpDaysAgo: number
  /** A day on which the user is active whatever the dice say. */
  readonly certainDaysAgo: number
  readonly environment: 'production' | 'staging' | 'development'
  readonly country: string
  /** Hours that the user's clock is ahead of UTC. */
  readonly hoursAhead: number
  readonly features: Weighted<SampleFeatureName>
  readonly favouriteModel: SampleModelName | undefined
  /** How much more than others of this life the user does. */
  readonly energy: number
}

export type Plan = 'free' | 'pro' | 'team' | 'enterprise'

/** How likely and how much a user is active on a day. */
export interface DayRate {
  readonly activeChance: number
  readonly sessions: number
  readonly callsPerSession: number
}

/** Each life: its share of the users, when it signed up, and how active it is on a day so many days before the end. */
const lives = {
  power: { share: 8, signedUp: [40, 200], rate: () => ({ activeChance: 0.8, sessions: 3, callsPerSession: 5 }) },
  regular: { share: 20, signedUp: [30, 180], rate: () => ({ activeChance: 0.45, sessions: 1.6, callsPerSession: 4 }) },
  casual: { share: 33, signedUp: [30, 160], rate: () => ({ activeChance: 0.12, sessions: 1.1, callsPerSession: 3 }) },
  new: { share: 14, signedUp: [1, 27], rate: () => ({ activeChance: 0.4, sessions: 1.4, callsPerSession: 3.5 }) },
  one_time: { share: 5, signedUp: [31, 84], rate: () => idle },
  churned: { share: 12, signedUp: [45, 120], rate: (ago) => (ago < 33 ? idle : { activeChance: 0.4, sessions: 1.4, callsPerSession: 4 }) },
  resurrected: {
    share: 4,
    signedUp: [70, 110],
    rate: (ago) => (ago < 50 && ago > 12 ? idle : { activeChance: 0.5, sessions: 1.3, callsPerSession: 4 }),
  },
  at_risk: {
    share: 4,
    signedUp: [50, 140],
    rate: (ago) =>
      ago <= 14 ? { activeChance: 0.06, sessions: 1, callsPerSession: 2 } : { activeChance: 0.75, sessions: 1.6, callsPerSession: 4 },
  },
  abuser: {
    share: 0,
    signedUp: [60, 70],
    rate: (ago) =>
      ago <= 6 ? { activeChance: 1, sessions: 16, callsPerSession: 40 } : { activeChance: 0.2, sessions: 1, callsPerSession: 3 },
  },
  anonymous: { share: 0, signedUp: [10_000, 10_001], rate: () => ({ activeChance: 1, sessions: 5, callsPerSession: 4 }) },
} as const satisfies Record<string, { share: number; signedUp: readonly [number, number]; rate: (daysAgo: number) => DayRate }>

export type Life = keyof typeof lives

const idle: DayRate = { activeChance: 0, sessions: 0, callsPerSession: 0 }

/** How active a user is on a day so many days before the end, without weekends and chance. */
export function dayRate(user: SampleUser, daysAgo: number): DayRate {
  if (daysAgo > user.signedUpDaysAgo) return idle
  if (daysAgo === user.certainDaysAgo) return { activeChance: 1, sessions: 1, callsPerSession: 3 }
  const rate = lives[user.life].rate(daysAgo)
  return { ...rate, sessions: rate.sessions * user.energy }
}

/** The users of a history: `count` who signed up, one of them an abuser, and the anonymous traffic. */
export function sampleUsers({ count, seed }: { count: number; seed: number }): SampleUser[] {
  const random = seededRandom(seedOf(`users ${seed}`))
  const abuser = integer(random, 0, count)
  const signedUp = Array.from({ length: count }, (_, index) => {
    const life = index === abuser ? 'abuser' : (lifeAt[(index * 61) % 100] ?? 'casual')
    return userOf(random, `user-${String(index + 1).padStart(4, '0')}`, life)
  })
  // The anonymous traffic grows with the app, not with one visitor.
  return [...signedUp, { ...userOf(random, undefined, 'anonymous'), energy: count / 300 }]
}

/** A hundred lives in their shares; taken with a stride, so that any hundred users in a row have each life in its share. */
const lifeAt = (Object.keys(lives) as Life[]).flatMap((life) => Array.from({ length: lives[life].share }, () => life))

function userOf(random: SeededRandom, id: string | undefined, life: Life): SampleUser {
  const [from, to] = lives[life].signedUp
  // Squaring leans towards the recent end: the app grows.
  const signedUpDaysAgo = from + Math.floor(random() ** 1.5 * (to - from))
  const plan = pick(random, plans[life === 'power' || life === 'regular' ? 'busy' : 'other'])
  const upgrades = plan === 'free' && (life === 'power' || life === 'regular' || life === 'at_risk') && random() < 0.4
  const [country, hoursAhead] = pick(random, countries)
  return {
    id,
    life,
    plan: life === 'abuser' || life === 'anonymous' ? 'free' : plan,
    upgrade: upgrades ? { daysAgo: integer(random, 1, Math.min(signedUpDaysAgo, 60)), plan: 'pro' } : undefined,
    signedUpDaysAgo,
    certainDaysAgo: certainDay(random, life, signedUpDaysAgo),
    environment: life === 'casual' || life === 'regular' ? pick(random, environments) : 'production',
    country,
    hoursAhead,
    features: pick(random, tastes),
    favouriteModel: random() < 0.3 ? pick(random, favourites) : undefined,
    energy: logNormal(random, 1, 0.35),
  }
}

/** The day of signing up, or one that the life cannot do without. */
function certainDay(random: SeededRandom, life: Life, signedUpDaysAgo: number): number {
  if (life === 'resurrected') return integer(random, 2, 12)
  if (life === 'churned') return Math.min(signedUpDaysAgo, integer(random, 34, 45))
  return signedUpDaysAgo
}

const plans = {
  busy: [
    ['free', 25],
    ['pro', 40],
    ['team', 22],
    ['enterprise', 13],
  ],
  other: [
    ['free', 70],
    ['pro', 20],
    ['team', 7],
    ['enterprise', 3],
  ],
} as const satisfies Record<string, Weighted<Plan>>

const environments: Weighted<SampleUser['environment']> = [
  ['production', 91],
  ['staging', 5],
  ['development', 4],
]

const countries: Weighted<readonly [country: string, hoursAhead: number]> = [
  [['US', -5], 38],
  [['DE', 1], 16],
  [['GB', 0], 12],
  [['IN', 5.5], 12],
  [['BR', -3], 8],
  [['JP', 9], 8],
  [['AU', 10], 6],
]

const tastes: Weighted<Weighted<SampleFeatureName>> = [
  [taste({ chat: 70, summary: 15, search: 15 }), 40],
  [taste({ chat: 25, document_analysis: 50, summary: 20, search: 5 }), 25],
  [taste({ chat: 30, code_review: 65, search: 5 }), 20],
  [taste({ chat: 20, document_analysis: 10, summary: 10, search: 60 }), 15],
]

function taste(weights: Partial<Record<SampleFeatureName, number>>): Weighted<SampleFeatureName> {
  return Object.entries(weights) as [SampleFeatureName, number][]
}

const favourites: Weighted<SampleModelName> = [
  ['gpt-5-mini', 3],
  ['claude-haiku-4-5', 3],
  ['gemini-2.5-flash', 2],
  ['claude-sonnet-4-5', 2],
]
