import type { Store } from '@spanledger/store'

import type { TraitKey } from '../ledger/catalog.ts'
import { raw, sql, type Fragment } from '../ledger/fragment.ts'

/** Which of a user's values a call is asked by: the one that held when it was made, or the one that holds at `as_of`. */
export const traitModes = ['as-of', 'current'] as const
export type TraitMode = (typeof traitModes)[number]

/** The instant at which a trait is read for all calls of a period; `start`: for each call at its own. */
export type TraitTime = number | 'start'

/** When the values of a trait are to be read. One that does not change in the period need not be asked for call by call. */
export async function traitTime(
  store: Store,
  { keyId }: TraitKey,
  { mode, fromMs, toMs, asOfMs }: { mode: TraitMode; fromMs: number; toMs: number; asOfMs: number },
): Promise<TraitTime> {
  if (mode === 'current') return asOfMs
  const [row] = await store.all<{ changes: number }>(
    'SELECT EXISTS (SELECT 1 FROM user_traits WHERE key_id = ? AND valid_from_ms > ? AND valid_from_ms < ?) AS changes',
    keyId,
    fromMs,
    toMs,
  )
  return row?.changes === 1 ? 'start' : fromMs
}

/**
 * SQL that yields the value of a user's trait, NULL for none: the user's own, else the latest of those who are aliases of the
 * user. `user` and `start` are columns of ours.
 */
export function traitValue({ keyId }: TraitKey, time: TraitTime, { user, start }: { user: string; start: string }): Fragment {
  const at = time === 'start' ? raw(start) : sql`CAST(${String(time)} AS INTEGER)`
  const known = sql`FROM user_traits AS ut WHERE ut.user_id = ${raw(user)} AND ut.key_id = ${keyId} AND ut.valid_from_ms <= ${at}`
  return sql`coalesce((SELECT ut.value ${known} AND ut.from_user_id = 0 ORDER BY ut.valid_from_ms DESC LIMIT 1),
    (SELECT ut.value ${known} AND ut.from_user_id <> 0 ORDER BY ut.valid_from_ms DESC, ut.value LIMIT 1))`
}
