import type { Frame } from '../../read/frame.ts'
import type { Way } from '../../journey/way.ts'
import { nearest } from '../../query/query-error.ts'
import { readJourneys } from './read-journeys.ts'
import { readPersons } from '../histories/read-persons.ts'
import { readReached } from './read-reached.ts'
import type { BadSignUps } from '../../read/read-sign-ups.ts'

/** The ways of users, and what is needed to tell them. */
export interface Ways {
  readonly ways: readonly Way[]
  readonly featureName: (id: number) => string
  readonly badSignUps: BadSignUps
  readonly warnings: readonly string[]
}

const nothing: ReadonlyMap<string, number> = new Map()

/** Reads how far the users who came in the period have come; without a begin said, all who ever came before its end. */
export async function readWays(
  frame: Frame,
  { isBegun, advancedFeatures = [] }: { readonly isBegun: boolean; readonly advancedFeatures?: readonly string[] | undefined },
): Promise<Ways> {
  const { people, badSignUps } = await readPersons(frame, { from: isBegun ? frame.period.fromMs : Number.NEGATIVE_INFINITY })
  const { journeys, featureNames } = await readJourneys(frame, people, advancedFeatures)
  const reached = await readReached(frame)
  return {
    ways: [...people].map(([userId, person]) => ({ person, journey: journeys.get(userId), reached: reached.get(userId) ?? nothing })),
    featureName: (id) => featureNames.get(id) ?? String(id),
    badSignUps,
    warnings: people.size === 0 ? [] : unknownFeatures(advancedFeatures, [...featureNames.values()]),
  }
}

/** Names that no call has: more likely a typing error than a feature that nobody uses. */
export function unknownFeatures(names: readonly string[], known: readonly string[]): string[] {
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = nearest(name, known)
      return `no call has the feature ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`
    })
}
