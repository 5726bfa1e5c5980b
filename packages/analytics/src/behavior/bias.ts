import { falseDiscoveryRates } from '../statistics/many-tests.ts'
import type { Parts } from '../statistics/means.ts'
import { commonRatio, partMix } from '../statistics/mix.ts'
import { compareRatios, compareUserMeans, type Compared } from './compare-users.ts'

/** What is compared between groups of users. */
export const measures = {
  error_rate: { of: 'ratio', more: 'bad', words: ['more errors', 'fewer errors'] },
  refusal_rate: { of: 'ratio', more: 'bad', words: ['more refusals', 'fewer refusals'] },
  rate_limit_rate: { of: 'ratio', more: 'bad', words: ['more rate limits', 'fewer rate limits'] },
  goal_success: { of: 'ratio', more: 'good', words: ['more goals reached', 'fewer goals reached'] },
  satisfaction: { of: 'user_mean', more: 'good', words: ['higher satisfaction', 'lower satisfaction'] },
  latency_ms: { of: 'user_log_mean', more: 'bad', words: ['longer waits', 'shorter waits'] },
  ttft_ms: { of: 'user_log_mean', more: 'bad', words: ['longer waits for the first token', 'shorter waits for the first token'] },
} as const satisfies Record<string, { of: string; more: 'bad' | 'good'; words: readonly [more: string, less: string] }>

export type Measure = keyof typeof measures
export const measureNames = Object.keys(measures) as Measure[]

/** What one user has of a measure while in one group, by kind of call: a sum and what it is of. */
export interface BiasCell extends Parts {
  readonly measure: Measure
  readonly group: string
  readonly user: number
  /** Which model and feature; undefined where the measure is not of calls. */
  readonly stratum: string | undefined
}

/** A group against all others in one measure. */
export interface Gap extends Compared {
  readonly measure: Measure
  readonly group: string
  /** Of the difference, what other models and features explain; null where that is not known. */
  readonly mixShare: number | null
  /** The ratio within the same models and features; null likewise. */
  readonly adjustedRatio: number | null
}

type Verdict = 'adverse' | 'favoured' | 'none' | 'too_few'

export interface JudgedGap extends Gap {
  /** The false discovery rate over all gaps that were tested; null where this one was not. */
  readonly q: number | null
  readonly verdict: Verdict
}

/** A gap of this many times, either way, is material; and less than four fifths of what is good. */
const MATERIAL_RATIO = 1.25
const FOUR_FIFTHS = 0.8
const MIN_USERS = 30
const ALPHA = 0.05
/** Groups of fewer users are not tested. */
export const MIN_TESTED = 20

/** Each of some groups against all users of the others, in every measure. Groups beyond those count among the others. */
export function findGaps(cells: readonly BiasCell[], groups: readonly string[]): JudgedGap[] {
  return judgeGaps(measureNames.flatMap((measure) => gapsOf(measure, { cells: cells.filter((cell) => cell.measure === measure), groups })))
}

function gapsOf(measure: Measure, { cells, groups }: { cells: readonly BiasCell[]; groups: readonly string[] }): Gap[] {
  const all = { users: sumParts(cells, ({ user }) => user), strata: sumParts(cells, ({ stratum }) => stratum) }
  return groups.map((group) => {
    const own = cells.filter((cell) => cell.group === group)
    const users = sumParts(own, ({ user }) => user)
    const sides = { group: [...users.values()].filter(isOfSomething), rest: without(all.users, users) }
    const compare = measures[measure].of === 'ratio' ? compareRatios : compareUserMeans
    const compared = compare(sides.group, sides.rest, { least: MIN_TESTED, isLog: measures[measure].of === 'user_log_mean' })
    return { measure, group, ...compared, ...mixOf(own, all.strata) }
  })
}

function mixOf(own: readonly BiasCell[], all: ReadonlyMap<string | undefined, Parts>): Pick<Gap, 'mixShare' | 'adjustedRatio'> {
  if (all.has(undefined) || all.size === 0) return { mixShare: null, adjustedRatio: null }
  const ofGroup = sumParts(own, ({ stratum }) => stratum)
  const strata = [...all].map(([stratum, total]) => {
    const a = ofGroup.get(stratum) ?? { part: 0, whole: 0 }
    return { a, b: { part: total.part - a.part, whole: total.whole - a.whole } }
  })
  const isRate = own.every(({ measure }) => measures[measure].of === 'ratio')
  return { mixShare: partMix(strata)?.mixShare ?? null, adjustedRatio: isRate ? commonRatio(strata) : null }
}

function sumParts<Key>(cells: readonly BiasCell[], keyOf: (cell: BiasCell) => Key): Map<Key, Parts> {
  const sums = new Map<Key, { part: number; whole: number }>()
  for (const cell of cells) {
    const sum = sums.get(keyOf(cell))
    if (sum === undefined) sums.set(keyOf(cell), { part: cell.part, whole: cell.whole })
    else {
      sum.part += cell.part
      sum.whole += cell.whole
    }
  }
  return sums
}

/** What users have outside of the group; who is in several groups is on both sides, which makes the test the more careful. */
function without(all: ReadonlyMap<number, Parts>, own: ReadonlyMap<number, Parts>): Parts[] {
  return [...all]
    .map(([user, { part, whole }]) => {
      const mine = own.get(user)
      return mine === undefined ? { part, whole } : { part: part - mine.part, whole: whole - mine.whole }
    })
    .filter(isOfSomething)
}

function isOfSomething({ whole }: Parts): boolean {
  return whole > 0
}

/** Corrects for the number of tests, and flags what is significant, material, and of enough users. */
export function judgeGaps(gaps: readonly Gap[]): JudgedGap[] {
  const tested = gaps.filter(({ p }) => p !== null)
  const rates = falseDiscoveryRates(tested.map(({ p }) => p ?? 1))
  const qOf = new Map(tested.map((gap, n) => [gap, rates[n] ?? null]))
  return gaps.map((gap) => {
    const q = qOf.get(gap) ?? null
    return { ...gap, q, verdict: verdictOf(gap, q) }
  })
}

function verdictOf({ measure, users, restUsers, value, restValue, ratio }: Gap, q: number | null): Verdict {
  if (Math.min(users, restUsers) < MIN_TESTED) return 'too_few'
  if (q === null || q >= ALPHA || Math.min(users, restUsers) < MIN_USERS) return 'none'
  // Of something the others have nothing of, there is any number of times as much.
  const times = ratio ?? ((value ?? 0) > 0 && restValue === 0 ? Number.POSITIVE_INFINITY : 1)
  const isGood = measures[measure].more === 'good'
  const [least, most] = isGood ? [FOUR_FIFTHS, 1 / FOUR_FIFTHS] : [1 / MATERIAL_RATIO, MATERIAL_RATIO]
  if (times >= most) return isGood ? 'favoured' : 'adverse'
  // Four fifths exactly are enough of what is good.
  if (isGood ? times < least : times <= least) return isGood ? 'adverse' : 'favoured'
  return 'none'
}
