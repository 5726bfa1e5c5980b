import {
  openAnalytics,
  parseSegments,
  parseTiers,
  QueryError,
  unknownLimit,
  unknownUser,
  type Analytics,
  type ModelTiers,
  type SegmentMode,
  type SegmentRules,
  type SegmentsWords,
  type SegmentWords,
  type TierWords,
  type UserLimit,
  type UserMetrics,
} from '@spanledger/analytics'
import { storeSetting } from '@spanledger/exporter'
import { openStore, type Store } from '@spanledger/store'

/** The ledger that `getUserMetrics` answers from; an app has one. */
let opened: { readonly source: string | Store; readonly analytics: Promise<Analytics>; ready: Analytics | undefined } | undefined

/**
 * Loads what `getUserMetrics` answers from; resolves when it is there. Call it once when the app starts, with the store
 * where it is not the one of SPANLEDGER_STORE (`spanledger.db`).
 * @throws StoreError when there is no ledger to read
 */
export async function loadUserMetrics({ store }: { store?: string | Store } = {}): Promise<void> {
  areMetricsWanted = true
  if (store !== undefined) opened = undefined
  opened ??= open(store)
  const current = opened
  try {
    current.ready = await current.analytics
    await current.ready.loadUserMetrics()
    // Limits that were said before hold at once too, of another ledger than the one before.
    if (definedTiers !== undefined || definedSegments !== undefined) await current.ready.loadLimits()
  } catch (error) {
    // The file may be there the next time.
    if (opened === current) opened = undefined
    throw error
  }
}

/**
 * What the ledger knows of a user: at once, from memory, never throws. Neutral (`known: false`) until it was loaded and
 * for users the ledger does not know. Not older than about a minute while it is asked.
 */
export function getUserMetrics(userId: string): UserMetrics {
  if (opened?.ready !== undefined) return opened.ready.getUserMetrics(userId)
  if (Date.now() - triedMs > TRY_AGAIN_AFTER_MS) {
    triedMs = Date.now()
    // Without a ledger there is nothing to know; apps that want to be told await loadUserMetrics.
    loadUserMetrics().catch(() => undefined)
  }
  return unknownUser(userId)
}

/**
 * The same of any user that the ledger knows, read now: takes some milliseconds.
 * @throws StoreError when there is no ledger to read
 */
export async function getUserMetricsAsync(userId: string): Promise<UserMetrics> {
  opened ??= open(undefined)
  const current = opened
  try {
    return await (await current.analytics).getUserMetricsAsync(userId)
  } catch (error) {
    // The file may be there the next time.
    if (opened === current && current.ready === undefined) opened = undefined
    throw error
  }
}

/**
 * Says which models are fast and which are good (`gpt-4o-mini/openai`, or the name alone), for `prefers_speed` and
 * `prefers_quality`; where it is not said, the third that answers soonest and the third that costs most are.
 */
export async function defineModelTiers(tiers: ModelTiers): Promise<void> {
  definedModelTiers = tiers
  if (opened !== undefined) await openAgain()
}

/**
 * The segment of a user, as `getUserMetrics` knows it: one of those of `defineSegments`, else the automatic one; all of them with
 * commas where they do not exclude each other; null for users the ledger does not know. Never throws.
 */
export function getUserSegment(userId: string): UserMetrics['segment'] {
  return getUserMetrics(userId).segment
}

/**
 * Says which tiers there are and what each may use in a month, in place of any said before; then loads what `checkLimit`
 * answers from, where there is a ledger.
 * @throws QueryError for tiers that cannot be meant
 */
export async function defineTiers(tiers: Readonly<Record<string, TierWords>>): Promise<void> {
  parseTiers(tiers)
  definedTiers = tiers
  await openAgain()
}

/**
 * Says which segments there are beside the automatic ones, and what decides these (`{ power: 'cost' }`), in place of any said
 * before; then loads what `getUserSegment` and `getUserMetrics` answer from, and, where segments have limits and no tiers were
 * defined, `checkLimit`. Without a ledger nobody is in any; the names that filters look at are checked once there is one.
 * @throws QueryError for segments that cannot be meant
 */
export async function defineSegments(
  segments: Readonly<Record<string, SegmentWords>>,
  { mode = 'exclusive', ...rules }: { mode?: SegmentMode } & Partial<SegmentRules> = {},
): Promise<void> {
  const words = { ...rules, mode, segments }
  parseSegments(words)
  definedSegments = words
  areMetricsWanted = true
  await openAgain()
}

/** Opens the ledger anew with what is defined now, and loads what was loaded before. */
async function openAgain(): Promise<void> {
  const current = open(opened?.source)
  opened = current
  try {
    current.ready = await current.analytics
    if (areMetricsWanted) await current.ready.loadUserMetrics()
    await current.ready.loadLimits()
  } catch (error) {
    // Without a ledger nobody has used anything; the file may be there the next time.
    if (opened === current) opened = undefined
    if (error instanceof QueryError) throw error
  }
}

/**
 * Whether a user may go on, by the monthly limits of the user's tier (`defineTiers`): at once, from memory, never throws. Who
 * is not known is allowed. Not older than about a minute while it is asked, so concurrent requests may pass a limit by
 * what a minute holds.
 */
export function checkLimit(userId: string): UserLimit {
  if (opened?.ready !== undefined) return opened.ready.checkLimit(userId)
  if (Date.now() - limitsTriedMs > TRY_AGAIN_AFTER_MS) {
    limitsTriedMs = Date.now()
    loadUserMetrics().catch(() => undefined)
  }
  return unknownLimit(userId)
}

let definedTiers: Readonly<Record<string, TierWords>> | undefined
let definedSegments: SegmentsWords | undefined
let definedModelTiers: ModelTiers | undefined
/** Whether anybody asked for what `getUserMetrics` answers from: tiers alone do not need it. */
let areMetricsWanted = false
let limitsTriedMs = Number.NEGATIVE_INFINITY

const TRY_AGAIN_AFTER_MS = 60_000
let triedMs = Number.NEGATIVE_INFINITY

function open(store: string | Store | undefined): NonNullable<typeof opened> {
  const source = store ?? (process.env[storeSetting.env] || storeSetting.default)
  const reading = typeof source === 'string' ? openStore({ path: source, readOnly: true }) : Promise.resolve(source)
  return {
    source,
    analytics: reading.then((one) => openAnalytics(one, { tiers: definedTiers, segments: definedSegments, modelTiers: definedModelTiers })),
    ready: undefined,
  }
}
