import type { Segment } from '../segments/automatic-segments.ts'
import { readFits } from './custom-fits.ts'
import type { Segmentation } from '../segments/custom-segments.ts'
import { membershipOf, noMemberships, type Membership, type Memberships } from '../segments/memberships.ts'
import { readStandingsAt } from '../segments/read-segments.ts'
import type { ScopeWords } from '../plan/scope-of.ts'
import { readFirstSeen } from '../ledger/seen-users.ts'

/**
 * The segments of all users at each of some ascending instants, as `readMemberships` would say at that instant: computed again
 * from what had happened by then, not kept.
 */
export async function readMembershipHistory(
  words: ScopeWords,
  { instants, segmentation }: { instants: readonly number[]; segmentation: Segmentation },
): Promise<readonly Memberships[]> {
  const firstSeen = [...(await readFirstSeen(words.store))].filter(([userId]) => userId !== 0)
  const standings = await readStandingsAt(words.store, { instants, timeZone: words.zone.name })
  const known = instants.map((asOfMs, n) => {
    const standing = standings(n)
    const automatic = new Map<number, Segment>()
    for (const [userId, firstMs] of firstSeen) if (firstMs < asOfMs) automatic.set(userId, standing(userId, firstMs).segment)
    return { asOfMs, automatic }
  })
  const fits = segmentation.custom.length === 0 ? [] : await readFits(words, segmentation, known)
  const { names, exclusive } = noMemberships(segmentation)
  return known.map(({ automatic }, n) => {
    const of = new Map<number, Membership>()
    for (const [userId, segment] of automatic) of.set(userId, membershipOf(segmentation, segment, fits[n]?.get(userId)))
    return { names, exclusive, of }
  })
}
