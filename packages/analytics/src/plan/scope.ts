import type { Buckets } from '../query/buckets.ts'
import type { Catalog } from '../ledger/catalog.ts'
import type { Dimension } from '../query/dimensions.ts'
import type { FilterNode } from '../query/filter.ts'
import type { Said } from '../sums/group.ts'
import type { Attribution, ListPart } from '../query/list-values.ts'
import type { Memberships } from '../segments/memberships.ts'
import type { Period } from '../query/period.ts'
import type { ZoneOffset } from '../query/time-bucket.ts'
import type { TraitTime } from '../query/traits.ts'

/** Where an answer can be read from: sums by user, sums by model, groups of closed days, the calls themselves, or what was said beside them of users. */
export type Source = 'users' | 'models' | 'days' | 'calls' | Said

/** Whether a source has a row `c` for each call or event; the others have sums `r`. */
export function hasRows(source: Source): boolean {
  return source !== 'users' && source !== 'models' && source !== 'days'
}

/** A closed day, the part of its groups that is read, and the time key of its row in the answer. */
export interface DayPart {
  readonly day: number
  readonly part: number
  readonly timeKey: number
}

/** Values of users by id, by canonical key. */
export type LatestValues = ReadonlyMap<string, ReadonlyMap<number, string>>

/** What the calls of a group have in common, by dimension; null for none. */
export type Key = string | number | null

export interface GroupChoice {
  readonly dimensions: readonly Dimension[]
  readonly keys: readonly (readonly Key[])[]
  readonly are: 'in' | 'out'
}

/** Which calls a reading is about, and what is needed to tell them apart. */
export interface Scope {
  readonly catalog: Catalog
  readonly period: Period
  readonly where: FilterNode | undefined
  /** Only these users, by id. */
  readonly userIds?: readonly number[]
  /** Offsets of the zone of local days during the period. */
  readonly offsets: readonly ZoneOffset[]
  /** IANA name of the zone of local days. */
  readonly timeZone: string
  /** The closed days to be read; other sources do not look at them. */
  readonly days?: readonly DayPart[]
  /** Undefined where rollups cannot answer: another zone, or a period with calls right outside of it on the same day. */
  readonly buckets: Buckets | undefined
  /** The segments of each user at `as_of`; only read where the question names segments. */
  readonly memberships: Memberships
  /** By property that the question names as `latest:KEY`, the value of each user, by id. */
  readonly latest: LatestValues
  /** When the values of the traits that the question names are read, by key. */
  readonly traitTimes: ReadonlyMap<string, TraitTime>
  /** How calls of several values are counted; undefined where a value is what is stored, lists too. */
  readonly attribution: Attribution | undefined
  /** The lists among the values of the properties that the question names, by canonical key; empty without attribution. */
  readonly lists: ReadonlyMap<string, readonly ListPart[]>
  /** Only the calls of some groups, or of all others. */
  readonly groups?: GroupChoice
}
