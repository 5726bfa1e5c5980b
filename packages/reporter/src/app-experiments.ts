import { assign, type Split } from '@spanledger/analytics'
import { readId } from '@spanledger/conventions'
import { track } from '@spanledger/instrumentation'

import { getUserSegment } from './app-user-metrics.ts'

/** An experiment as an app defines it. */
export interface Experiment {
  /** Variants with their weights, or names of equal weight; the first is the control. */
  readonly variants: readonly string[] | Readonly<Record<string, number>>
  /** The share of users who take part, 0 to 1; all by default. The others get the control and count for nothing. */
  readonly coverage?: number
  /** Mixed into the draw; another seed draws all users anew. By default the name of the experiment. */
  readonly seed?: string
  /**
   * The part of the users of a name that may take part, from 0 to 1: of experiments with parts of one name that do not overlap a
   * user is in one at most.
   */
  readonly namespace?: { readonly name: string; readonly from: number; readonly to: number }
  /** Only users in one of these segments take part, as `getUserSegment` tells it (your own of `defineSegments` too); all by default. */
  readonly segments?: readonly string[]
  /** Users, by id, who get a variant whatever the draw says (you, testers); they count for nothing. */
  readonly overrides?: Readonly<Record<string, string>>
}

const CONTROL = 'control'
/** Exposures remembered so that each is told once; beyond this they are forgotten, and told again. */
const MAX_REMEMBERED = 100_000

/** An experiment ready to draw from; `shares` are of those who take part. */
interface Defined {
  readonly split: Split
  readonly control: string
  readonly shares: ReadonlyMap<string, number>
  readonly segments: ReadonlySet<string> | undefined
  /** By id as the ledger keeps it. */
  readonly overrides: ReadonlyMap<string, string>
}

let defined: ReadonlyMap<string, Defined> = new Map()
let told = new Set<string>()

/**
 * Says which experiments there are, in place of any said before. Users are drawn by a hash of their id, so every process
 * gives the same user the same variant, and nobody has to be asked.
 * @throws TypeError for an experiment without variants, or with weights, a coverage, a namespace or overrides that cannot be meant
 */
export function defineExperiments(experiments: Readonly<Record<string, Experiment>>): void {
  const next = new Map<string, Defined>()
  for (const [name, { variants, coverage = 1, seed = name, namespace, segments, overrides = {} }] of Object.entries(experiments)) {
    const weighted = Array.isArray(variants)
      ? (variants as readonly string[]).map((variant) => ({ name: variant, weight: 1 }))
      : Object.entries(variants as Readonly<Record<string, number>>).map(([variant, weight]) => ({ name: variant, weight }))
    const [control] = weighted
    if (control === undefined) throw new TypeError(`Experiment "${name}" has no variants. Give at least two: ["control", "variant_a"].`)
    if (!weighted.every(({ weight }) => Number.isFinite(weight) && weight >= 0) || !weighted.some(({ weight }) => weight > 0)) {
      throw new TypeError(
        `Experiment "${name}" has weights that are no shares: ${JSON.stringify(variants)}. Give numbers from 0, one above it.`,
      )
    }
    if (!(coverage >= 0 && coverage <= 1)) throw new TypeError(`Experiment "${name}" has coverage ${coverage}. Give a share from 0 to 1.`)
    if (namespace !== undefined && !(namespace.from >= 0 && namespace.from < namespace.to && namespace.to <= 1)) {
      throw new TypeError(
        `Experiment "${name}" has no part of namespace "${namespace.name}" between ${namespace.from} and ${namespace.to}. Give a part of 0 to 1, as { name: "checkout", from: 0, to: 0.5 }.`,
      )
    }
    const whole = weighted.reduce((total, { weight }) => total + weight, 0)
    const shares = new Map(weighted.map(({ name: variant, weight }) => [variant, weight / whole]))
    next.set(name, {
      split: { seed, variants: weighted, coverage, namespace },
      control: control.name,
      shares,
      segments: segments === undefined ? undefined : new Set(segments),
      overrides: overridesOf(name, { overrides, shares }),
    })
  }
  defined = next
  told = new Set()
}

function overridesOf(
  name: string,
  { overrides, shares }: { readonly overrides: Readonly<Record<string, string>>; readonly shares: ReadonlyMap<string, number> },
): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(overrides).flatMap(([userId, variant]): [string, string][] => {
      if (!shares.has(variant)) {
        throw new TypeError(
          `Experiment "${name}" gives user "${userId}" variant "${variant}", which it does not have. Give one of ${[...shares.keys()].join(', ')}.`,
        )
      }
      const { id } = readId(userId)
      return id === undefined ? [] : [[id, variant]]
    }),
  )
}

/**
 * The variant of an experiment that a user is in: at once, the same in every process, never throws. `control` for an
 * experiment that is not defined, for users who take no part (by coverage, namespace or segments), and for what is no id. The first time a user is asked about,
 * the exposure is told (`track.exposed`) with the share of its variant, which is what `spanledger report experiments` compares.
 */
export function getUserExperiment(userId: string, experiment: string): string {
  const known = defined.get(experiment)
  if (known === undefined) return CONTROL
  // The id as the ledger keeps it: spelled otherwise it is the same user, and must not see another variant.
  const { id } = readId(userId)
  const given = id === undefined ? undefined : known.overrides.get(id)
  // Who was given a variant was not drawn: counted, it would no longer be a random split.
  if (given !== undefined) return given
  const variant = id === undefined || !isMeant(known, id) ? undefined : assign(known.split, id)
  if (variant === undefined) return known.control
  const exposure = `${experiment}\n${id}`
  if (!told.has(exposure)) {
    if (told.size >= MAX_REMEMBERED) told.clear()
    told.add(exposure)
    track.exposed({ experiment, variant, share: known.shares.get(variant), userId })
  }
  return variant
}

function isMeant({ segments }: Defined, id: string): boolean {
  if (segments === undefined) return true
  return (
    getUserSegment(id)
      ?.split(', ')
      .some((segment) => segments.has(segment)) === true
  )
}
