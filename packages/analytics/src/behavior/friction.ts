import { messageInWords, percentInWords, roundHalfUp } from './in-words.ts'
import type { Numbers } from './numbers.ts'
import { outcomeOf } from './outcomes.ts'
import type { FeatureRetries } from './retries.ts'
import { outcomesOf, ratio } from './session-metrics.ts'
import type { Ending, SessionTotals } from './session-totals.ts'
import type { CallKind } from '../read/read-kinds.ts'

/** Where users struggle, in numbers. */
export interface Friction {
  readonly retries: FeatureRetries | null
  readonly abandonment: {
    readonly sessions: number
    readonly messagesAvg: number | null
    readonly patterns: readonly AbandonmentPattern[]
  }
  /** Null where there are no power users. */
  readonly rateLimitedPowerUserShare: number | null
  readonly modelErrorShare: number | null
  readonly modelErrors: number
  readonly requests: number
}

interface AbandonmentPattern {
  readonly pattern: string
  /** Share of abandoned sessions that show it. */
  readonly share: number
  /** How much more often than among completed ones, with half a session added to each count. */
  readonly lift: number
}

export interface FrictionInput {
  readonly requests: number
  readonly modelErrors: number
  readonly totals: SessionTotals
  readonly kinds: ReadonlyMap<number, CallKind>
  /** Null where no fingerprints of what was asked are taken. */
  readonly retries: FeatureRetries | null
  readonly powerUsers: number
  /** How many of them ran into a rate limit. */
  readonly rateLimitedPowerUsers: number
}

const modelErrorClasses: ReadonlySet<string | undefined> = new Set(['server_error', 'model_error', 'timeout', 'format_error', 'other'])
/** A pattern is told where it is this much commoner among abandoned sessions, and has at least this share of them. */
const MIN_LIFT = 1.2
const MIN_SHARE = 0.1
/** Longer waits are long whatever is usual. */
const LONG_WAIT_MS = 10_000

/** Whether a call failed for what its model or provider did. */
export function isModelError(kind: { readonly status: string; readonly errorClass?: string | undefined }): boolean {
  return kind.status === 'error' && modelErrorClasses.has(kind.errorClass)
}

export function friction(input: FrictionInput): Friction {
  const { requests, modelErrors, totals, kinds, powerUsers, rateLimitedPowerUsers } = input
  const { abandoned, abandonedAt } = outcomesOf(totals, { kinds })
  return {
    retries: input.retries,
    abandonment: { sessions: abandoned, messagesAvg: abandonedAt.avg, patterns: patternsOf(totals, kinds) },
    rateLimitedPowerUserShare: ratio(rateLimitedPowerUsers, powerUsers),
    modelErrorShare: ratio(modelErrors, requests),
    modelErrors,
    requests,
  }
}

function patternsOf({ endings }: SessionTotals, kinds: ReadonlyMap<number, CallKind>): AbandonmentPattern[] {
  const shown = { abandoned: new Map<string, number>(), completed: new Map<string, number>() }
  const sessions = { abandoned: 0, completed: 0 }
  for (const ending of endings.values()) {
    const kind = kinds.get(ending.kindId)
    const { outcome } = outcomeOf(kind, ending)
    if (outcome === 'unknown') continue
    sessions[outcome] += ending.sessions
    for (const [pattern, count] of signsOf(ending, kind)) shown[outcome].set(pattern, (shown[outcome].get(pattern) ?? 0) + count)
  }
  return [...shown.abandoned]
    .map(([pattern, count]) => ({
      pattern,
      share: count / sessions.abandoned,
      lift: (count + 0.5) / (sessions.abandoned + 1) / (((shown.completed.get(pattern) ?? 0) + 0.5) / (sessions.completed + 1)),
    }))
    .filter(({ share, lift }) => lift >= MIN_LIFT && share >= MIN_SHARE)
    .sort((a, b) => b.lift - a.lift || (a.pattern < b.pattern ? -1 : 1))
}

/** What of the end of sessions may have made users leave, and of how many. The specific sign takes the place of the general one. */
function signsOf({ sessions, longWaits: longOnes, repeated, lastAnswerDisliked }: Ending, kind: CallKind | undefined): [string, number][] {
  const signs: [string, number][] = [
    ['long_wait_time', longOnes],
    ['unclear_response', lastAnswerDisliked === true ? sessions : repeated],
  ]
  if (kind?.errorClass === 'rate_limit') signs.push(['rate_limited', sessions])
  else if (kind?.errorClass === 'truncated') signs.push(['truncated', sessions])
  else if (kind?.status === 'error') signs.push(['error_at_end', sessions])
  return signs.filter(([, count]) => count > 0)
}

/** Whether a wait is long: over ten seconds, or longer than nine of ten calls of the feature wait. */
export function longWaits(waits: ReadonlyMap<number, Numbers>): (featureId: number, waitMs: number) => boolean {
  const usual = new Map([...waits].map(([featureId, own]) => [featureId, own.quantile(0.9) ?? Number.POSITIVE_INFINITY]))
  return (featureId, waitMs) => waitMs > LONG_WAIT_MS || waitMs > (usual.get(featureId) ?? Number.POSITIVE_INFINITY)
}

/** The nested object `friction_analysis`, for people to read. */
export function frictionInWords({ retries, abandonment, rateLimitedPowerUserShare, modelErrorShare }: Friction): unknown {
  return {
    high_retry_requests:
      retries === null ? null : { feature: retries.feature, retry_rate: roundHalfUp(retries.rate * 100), common_issues: retries.issues },
    abandoned_sessions:
      abandonment.sessions === 0
        ? null
        : {
            avg_abandonment_point: messageInWords(abandonment.messagesAvg),
            common_patterns: abandonment.patterns.map(({ pattern }) => pattern),
          },
    error_hotspots: {
      rate_limits: rateLimitedPowerUserShare === null ? null : `${percentInWords(rateLimitedPowerUserShare)} of power users affected`,
      model_errors: modelErrorShare === null ? null : `${percentInWords(modelErrorShare)} of requests fail`,
    },
  }
}
