import { durationInWords } from './in-words.ts'
import { ratio } from './session-metrics.ts'

/** How one user, a segment or everybody uses the app. */
export interface UsagePatterns {
  readonly requests: number
  readonly userDays: number
  /** Per day on which a user was active. */
  readonly requestsPerActiveDay: number | null
  /** Per day of the calendar on which a user could be active. */
  readonly requestsPerCalendarDay: number | null
  /** Local hours with the most requests, in the order of the day. */
  readonly peakHours: readonly number[]
  readonly sessionLengthAvgS: number | null
  readonly favoriteFeatures: readonly string[]
  /** `requested model/provider`. */
  readonly preferredModels: readonly string[]
}

/** What is counted over the calls of users. */
export interface UsageCounts {
  readonly requests: number
  /** Days on which users called, added up over users. */
  readonly userDays: number
  /** Days from the first call of each user, or the begin of the period, to its end, added up. */
  readonly calendarDays: number
  /** Requests by local hour, or how many on each such hour that there was, by feature and by `requested model/provider`. */
  readonly hours: ReadonlyMap<number, number>
  readonly features: ReadonlyMap<string, number>
  readonly models: ReadonlyMap<string, number>
  /** How many users have each of the features, and of the models, that have as many requests as another; see `equals`. */
  readonly featureUsers?: ReadonlyMap<string, number>
  readonly modelUsers?: ReadonlyMap<string, number>
  readonly sessionLengthAvgS: number | null
  /** How many users there are, where features are told by how many use them instead of how often. */
  readonly reach?: number | undefined
}

const MOST_HOURS = 3
const MOST_FEATURES = 3
const MOST_MODELS = 2
/** Rarer features are no favourites. */
const MIN_FEATURE_SHARE = 0.05

export function usagePatterns(counts: UsageCounts): UsagePatterns {
  const { requests, userDays, calendarDays, hours, models, modelUsers, sessionLengthAvgS } = counts
  return {
    requests,
    userDays,
    requestsPerActiveDay: ratio(requests, userDays),
    requestsPerCalendarDay: ratio(requests, calendarDays),
    peakHours: mostOf(hours)
      .slice(0, MOST_HOURS)
      .sort((a, b) => a - b),
    sessionLengthAvgS,
    favoriteFeatures: favorites(counts),
    preferredModels: mostOf(models, modelUsers).slice(0, MOST_MODELS),
  }
}

/** The features with most requests, or most users, and at least a twentieth of all. */
function favorites({ requests, features, featureUsers = new Map<string, number>(), reach }: UsageCounts): string[] {
  const [counted, all, others] = reach === undefined ? [features, requests, featureUsers] : [featureUsers, reach, features]
  return mostOf(counted, others)
    .filter((feature) => (counted.get(feature) ?? 0) / all >= MIN_FEATURE_SHARE)
    .slice(0, MOST_FEATURES)
}

/** The values with the most requests; of equals the one with more users, then the first by order. */
function mostOf<Value extends string | number>(counts: ReadonlyMap<Value, number>, users?: ReadonlyMap<Value, number>): Value[] {
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || (users?.get(b) ?? 0) - (users?.get(a) ?? 0) || (a < b ? -1 : 1))
    .map(([value]) => value)
}

/** The features, or the models, that have as many requests as another, where that decides who is told: their users decide then. */
export function equals(counts: ReadonlyMap<string, number>, told: 'features' | 'models'): string[] {
  const ranked = mostOf(counts)
  const least = counts.get(ranked[(told === 'features' ? MOST_FEATURES : MOST_MODELS) - 1] ?? '') ?? 0
  const sharing = new Map<number, number>()
  for (const count of counts.values()) sharing.set(count, (sharing.get(count) ?? 0) + 1)
  return ranked.filter((value) => {
    const count = counts.get(value) ?? 0
    return count >= least && (sharing.get(count) ?? 0) > 1
  })
}

/** The nested object `user_behavior`, for people to read; rates rounded to seven places. */
export function usagePatternsInWords(patterns: UsagePatterns): unknown {
  const { requestsPerActiveDay, peakHours, sessionLengthAvgS, favoriteFeatures, preferredModels } = patterns
  return {
    avg_requests_per_day: requestsPerActiveDay === null ? null : Math.round(requestsPerActiveDay * 1e7) / 1e7,
    peak_usage_hours: peakHours,
    session_length_avg: durationInWords(sessionLengthAvgS),
    favorite_features: favoriteFeatures,
    model_preferences: preferredModels,
  }
}
