import type { Store } from '@spanledger/store'

import type { Answer, Row } from './query/answer.ts'
import { zoneOf } from './query/buckets.ts'
import { compositeNames, isComposite } from './composite/composites.ts'
import { runComposite, runSection, type Composite } from './composite/run-composite.ts'
import type { Clock } from './read/frame.ts'
import type { Filter } from './query/filter.ts'
import { parseSegments, type SegmentsWords } from './segments/custom-segments.ts'
import { readLedgerFacts, type LedgerFacts } from './ledger/ledger-facts.ts'
import { parseInstant, resolvePeriod, type PeriodWords } from './query/period.ts'
import { nearest, QueryError, unknownName } from './query/query-error.ts'
import { parseQuery, parseWhereField, type Query } from './query/query.ts'
import { readCalls } from './read/read-calls.ts'
import { readEvents } from './read/read-events.ts'
import type { ReportParams } from './report-params.ts'
import { runReport } from './reports.ts'
import { runQuery } from './run-query.ts'
import { parseTiers, type TierWords } from './segments/tiers.ts'
import type { ModelTiers } from './query/model-tiers.ts'
import { openUserLimits, type UserLimit } from './users/user-limits.ts'
import { DEFAULT_MAX_USERS, openUserMetrics, type UserMetrics } from './users/user-metrics.ts'

export interface AnalyticsOptions {
  /** IANA zone of local days; the store's reporting zone by default. Another one is answered from the calls. */
  readonly timeZone?: string | undefined
  /** The instant questions are asked at, read once per question; now by default. */
  readonly now?: (() => number) | undefined
  /**
   * How many users the copy that `getUserMetrics` answers from holds: those that called last; 50,000 by default. A user takes
   * about 400 bytes, twice that while the copy is read anew, as it is each minute it is used.
   */
  readonly maxUsers?: number | undefined
  /** Which models are fast and which are good, for `prefers_speed` and `prefers_quality`; by latency and price where not said. */
  readonly modelTiers?: ModelTiers | undefined
  /** Tiers with monthly limits, by name, for `checkLimit`; see `TierWords`. */
  readonly tiers?: Readonly<Record<string, TierWords>> | undefined
  /**
   * Segments of the app's own, by name and in the order in which they are tried, or these with a mode; see `SegmentWords`. Those
   * with limits are the tiers of `checkLimit` and of the tiers report where no tiers are given.
   */
  readonly segments?: SegmentsWords | undefined
}

/** Which calls or events to export. */
export interface CallsQuery extends PeriodWords {
  readonly where?: Filter | string | undefined
}

/** Answers questions about a ledger. */
export interface Analytics {
  /** @throws QueryError for a question that cannot be answered as asked */
  query(query: Query): Promise<Answer>
  /**
   * A report, or with `options.section` one section of those that have several.
   * @throws QueryError for an unknown report, or params it does not take
   */
  report(name: string, params?: ReportParams): Promise<Answer>
  /**
   * A report of several sections (daily, weekly, monthly, quarterly, the dashboards), over one state of the ledger.
   * @throws QueryError for a name that is none of these, or params it does not take
   */
  composite(name: string, params?: ReportParams): Promise<Composite>
  /** Every counted call of a period, in the order of start, in steps: for exports. */
  calls(words?: CallsQuery): AsyncGenerator<readonly Row[]>
  /** Every event of a period, in the order of start, in steps: for exports. */
  events(words?: CallsQuery): AsyncGenerator<readonly Row[]>
  /** What the ledger says of its own completeness. */
  facts(): Promise<LedgerFacts>
  /**
   * What is known of a user, from a copy in memory: no waiting, never throws. The first use begins to load it, and uses
   * after a minute begin to renew it; until it is there, for unknown users, and for users who are not among the `maxUsers`
   * that called last, the answer is neutral (`known: false`). Ids are found in any spelling that the ledger keeps as one.
   */
  getUserMetrics(userId: string): UserMetrics
  /** The same of any user that the ledger knows, read now: takes some milliseconds. @throws StoreError where it cannot be read */
  getUserMetricsAsync(userId: string): Promise<UserMetrics>
  /** Loads the copy that `getUserMetrics` answers from; resolves when it is there. */
  loadUserMetrics(): Promise<void>
  /**
   * Whether a user may go on, by the limits of its tier in the running month: from a copy in memory as above, never throws.
   * Who is not known is allowed.
   */
  checkLimit(userId: string): UserLimit
  /** Loads the copy that `checkLimit` answers from; resolves when it is there. */
  loadLimits(): Promise<void>
}

/**
 * Analytics over an open store. The store stays the caller's to close.
 * @throws QueryError for an unknown time zone, a `maxUsers` that is no whole number from 1, or tiers or segments that cannot be meant
 */
export function openAnalytics(store: Store, options: AnalyticsOptions = {}): Analytics {
  const { timeZone, now = Date.now, maxUsers = DEFAULT_MAX_USERS, modelTiers, tiers, segments } = options
  if (timeZone !== undefined) checkZone(timeZone)
  if (!Number.isSafeInteger(maxUsers) || maxUsers < 1)
    throw new QueryError('maxUsers must be a whole number from 1.', { given: String(maxUsers) })
  const segmentation = segments === undefined ? undefined : parseSegments(segments)
  const clock = (): Clock => ({ asOfMs: now(), timeZone: timeZone ?? store.timeZone, segmentation, modelTiers })
  const userMetrics = openUserMetrics(store, { clock, maxUsers })
  const userLimits = openUserLimits(store, { clock, tiers: tiers === undefined ? undefined : parseTiers(tiers) })
  return {
    query: (query) =>
      Promise.resolve().then(() => runQuery(store, clock(), parseQuery(query), { schema: 'query/v1', params: { ...query } })),
    report: (name, params = {}) =>
      Promise.resolve().then(() =>
        isComposite(name) ? runSection(store, clock(), name, params) : runReport(store, clock(), name, params),
      ),
    composite: (name, params = {}) =>
      Promise.resolve().then(() => {
        if (!isComposite(name)) throw unknownName('composite', name, { allowed: compositeNames })
        return runComposite(store, clock(), name, params)
      }),
    calls: ({ where, ...words } = {}) => readCalls(store, clock(), { ...words, where: parseWhereField(where) }),
    events: ({ where, ...words } = {}) => readEvents(store, clock(), { ...words, where: parseWhereField(where) }),
    facts: () => readLedgerFacts(store, now()),
    getUserMetrics: (userId) => userMetrics.of(userId),
    getUserMetricsAsync: (userId) => userMetrics.read(userId),
    loadUserMetrics: () => userMetrics.load(),
    checkLimit: (userId) => userLimits.of(userId),
    loadLimits: () => userLimits.load(),
  }
}

function checkZone(name: string): void {
  try {
    zoneOf(name)
  } catch {
    const near = nearest(name, Intl.supportedValuesOf('timeZone'))
    const meant = near === undefined ? '' : ` Did you mean ${JSON.stringify(near)}?`
    throw new QueryError(`Unknown time zone ${JSON.stringify(name)}.${meant} Give an IANA name such as Europe/Berlin or UTC.`, {
      given: name,
    })
  }
}

/**
 * An `as of` in words: a date (its end) or an instant, in a zone.
 * @throws QueryError for what is neither
 */
export function parseAsOf(text: string, timeZone: string): number {
  checkZone(timeZone)
  return parseInstant('as-of', text, { zone: zoneOf(timeZone) })
}

/**
 * The bounds of a period in words, each undefined where nothing was said.
 * @throws QueryError for what is no date, or a period that ends before it begins
 */
export function parseBounds(
  { since, until }: Pick<PeriodWords, 'since' | 'until'>,
  timeZone: string,
): { sinceMs: number | undefined; untilMs: number | undefined } {
  checkZone(timeZone)
  const zone = zoneOf(timeZone)
  const nowMs = Date.now()
  const untilMs = until === undefined ? undefined : parseInstant('until', until, { zone, nowMs })
  if (since === undefined) return { sinceMs: undefined, untilMs }
  return { sinceMs: resolvePeriod({ since, until }, { zone, asOfMs: Number.MAX_SAFE_INTEGER, firstMs: 0, nowMs }).fromMs, untilMs }
}
