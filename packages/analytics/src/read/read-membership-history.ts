import { readAutomaticAt } from './read-automatic.ts'
import { readFits, type Instant } from './custom-fits.ts'
import type { Segmentation } from '../segments/custom-segments.ts'
import { automaticMemberships, membershipsOf, type Memberships } from '../segments/memberships.ts'
import { segmentsAt } from '../segments/read-segments.ts'
import type { ScopeWords } from '../plan/scope-of.ts'
import { readFirstStarts } from '../ledger/seen-users.ts'

/**
 * The segments of all users at each of some ascending instants, as `readMemberships` would say at that instant: computed again
 * from what had happened by then, not kept.
 */
export async function readMembershipHistory(
  words: ScopeWords,
  { instants, segmentation }: { instants: readonly number[]; segmentation: Segmentation },
): Promise<readonly Memberships[]> {
  const firstStarts = await readFirstStarts(words.store)
  const known: Instant[] = []
  for await (const segments of readAutomaticAt(words, { instants, rules: segmentation.rules })) {
    const asOfMs = instants[known.length] ?? 0
    known.push({ asOfMs, automatic: segmentsAt(segments, firstStarts, asOfMs) })
  }
  if (segmentation.custom.length === 0) return known.map(({ automatic }) => automaticMemberships(automatic))
  const fits = await readFits(words, segmentation, known)
  return known.map(({ automatic }, n) => membershipsOf(segmentation, automatic, fits[n]))
}
