import type { Store } from '@spanledger/store'

import { openFrame, type Clock } from '../read/frame.ts'
import { keptId } from '../ledger/kept-id.ts'
import { isOver } from '../people/money/tiers-report.ts'
import { readTierUse } from '../people/money/read-tier-use.ts'
import { useOfLimit, type Tier, type TierUse } from '../segments/tiers.ts'

/** Whether a user may go on, by the monthly limits of the user's tier. */
export interface UserLimit extends TierUse {
  readonly user: string
  /** Null for users without a tier, and as long as nothing was loaded. */
  readonly tier: string | null
  /** False where a limit is used up. True where nothing is known: not to know is no reason to turn a user away. */
  readonly allowed: boolean
}

/** A copy in memory of what users used of their limits in the running month. */
export interface UserLimitsCopy {
  of(userId: string): UserLimit
  load(): Promise<void>
}

/** How old the copy may be before a use begins to renew it. */
const RENEW_AFTER_MS = 60_000
const nothing: Omit<UserLimit, 'user'> = {
  tier: null,
  allowed: true,
  limit: null,
  used: 0,
  remaining: null,
  share: null,
  projected: 0,
  exhaustedInDays: null,
}

/** What is said of a user of whom nothing is known. */
export function unknownLimit(userId: string): UserLimit {
  return { user: userId, ...nothing }
}

/** Without tiers, segments with limits are the users'. */
export function openUserLimits(store: Store, { clock, tiers }: { clock: () => Clock; tiers: readonly Tier[] | undefined }): UserLimitsCopy {
  let limits: ReadonlyMap<string, Omit<UserLimit, 'user'>> = new Map()
  let loading: Promise<void> | undefined
  let loadedMs = Number.NEGATIVE_INFINITY
  const renew = async (): Promise<void> => {
    try {
      const frame = await openFrame(store, clock(), { by: [], where: undefined })
      const users = await readTierUse(frame, tiers)
      limits = new Map(
        users.map((one) => [
          one.user,
          {
            tier: one.tier.name,
            allowed: !isOver(one),
            ...useOfLimit({ limit: one.tier.requests, used: one.requests, lastSevenDays: one.requestsInSevenDays, daysLeft: one.daysLeft }),
          },
        ]),
      )
    } finally {
      loading = undefined
      loadedMs = Date.now()
    }
  }
  const load = (): Promise<void> => (loading ??= renew())
  return {
    load,
    of: (userId) => {
      // A store that cannot be read leaves the copy as it is: this is called while an app serves its users.
      if (Date.now() - loadedMs > RENEW_AFTER_MS) load().catch(() => undefined)
      const found = limits.get(keptId(userId))
      return found === undefined ? unknownLimit(userId) : Object.assign({ user: userId }, found)
    },
  }
}
