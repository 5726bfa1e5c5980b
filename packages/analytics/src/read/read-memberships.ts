import { readFits } from './custom-fits.ts'
import type { Segmentation } from '../segments/custom-segments.ts'
import { automaticMemberships, membershipsOf, type Memberships } from '../segments/memberships.ts'
import { segmentsAt, type UserSegments } from '../segments/read-segments.ts'
import type { ScopeWords } from '../plan/scope-of.ts'

/** The segments of every user that had made a call by an instant: the automatic one, and those of the app's own. */
export async function readMemberships(
  words: ScopeWords,
  { userSegments, firstStarts, segmentation }: { userSegments: UserSegments; firstStarts: Float64Array; segmentation: Segmentation },
): Promise<Memberships> {
  const { asOfMs } = words.clock
  const automatic = segmentsAt(userSegments, firstStarts, asOfMs)
  if (segmentation.custom.length === 0) return automaticMemberships(automatic)
  const [fits] = await readFits(words, segmentation, [{ asOfMs, automatic }])
  return membershipsOf(segmentation, automatic, fits)
}
