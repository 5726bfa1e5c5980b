import { shownSegments, type Segment } from './automatic-segments.ts'
import type { ByUser, FewByUser } from './by-user.ts'
import type { Segmentation } from './custom-segments.ts'

/** Which segments users are in. */
export interface Memberships {
  /** Every segment there is, in the order in which they are listed. */
  readonly names: readonly string[]
  /** Whether each user is in one only. */
  readonly exclusive: boolean
  /** By user id; only users that had made a call by then. */
  readonly of: ByUser<Membership>
}

/** Where a user stands. */
export interface Membership {
  /** The segments that the user counts in; at least one. */
  readonly segments: readonly string[]
  readonly automatic: Segment
  /** Every segment of the app's own that fits, also those that another one comes before. */
  readonly custom: readonly string[]
}

/** Every segment a user may be in, in the order in which they are listed. */
export function segmentNames({ custom }: Segmentation): string[] {
  return [...shownSegments, ...custom.map(({ name }) => name)]
}

function isExclusive({ mode, custom }: Segmentation): boolean {
  return mode === 'exclusive' || custom.length === 0
}

/** Nobody in any: for questions that name no segments. */
export function noMemberships(segmentation: Segmentation): Memberships {
  return { names: segmentNames(segmentation), exclusive: isExclusive(segmentation), of: new Map() }
}

const alone = new Map<Segment, Membership>(shownSegments.map((automatic) => [automatic, { segments: [automatic], automatic, custom: [] }]))

function onlyAutomatic(automatic: Segment): Membership {
  return alone.get(automatic) ?? { segments: [automatic], automatic, custom: [] }
}

/** The automatic segments only. */
export function automaticMemberships(automatic: FewByUser<Segment>): Memberships {
  return { names: shownSegments, exclusive: true, of: automatic.map(onlyAutomatic) }
}

/** With the app's own: `fits` says which of them fit each user. */
export function membershipsOf(
  segmentation: Segmentation,
  automatic: FewByUser<Segment>,
  fits: ReadonlyMap<number, readonly string[]> | undefined,
): Memberships {
  const of = new Map<number, Membership>()
  for (const [userId, segment] of automatic) of.set(userId, membershipOf(segmentation, segment, fits?.get(userId)))
  return { ...noMemberships(segmentation), of }
}

/** Of segments that exclude each other the first is the user's; the automatic one is that of users whom none fits. */
function membershipOf({ mode }: Segmentation, automatic: Segment, custom: readonly string[] = []): Membership {
  const [first] = custom
  if (first === undefined) return onlyAutomatic(automatic)
  return { segments: mode === 'multi' ? [automatic, ...custom] : [first], automatic, custom }
}

/** The segments of a user in one text. */
export function segmentText({ segments }: Pick<Membership, 'segments'>): string {
  return segments.join(', ')
}
