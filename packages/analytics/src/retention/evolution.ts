import { mean } from '../statistics/quantiles.ts'
import { durationInWords } from '../behavior/in-words.ts'
import { activeDays, type ActiveDay, type UserHistory } from '../behavior/user-history.ts'

/** How users of a tenure behave: their own week n after they first came. */
export interface EvolutionWeek {
  readonly week: number
  /** Users whose week n is over, and those of them who were active in it. */
  readonly eligible: number
  readonly users: number
  readonly requests: number
  /** Per day and user: of the active ones, or of the whole panel. */
  readonly requestsPerDay: number | null
  /** Users who could be seen through the last of the weeks, and how many requests they made in this one per day and user. */
  readonly panel: number
  readonly panelRequestsPerDay: number | null
  readonly sessionLengthAvgS: number | null
  /** Features that at least a fifth of the active users used, the most used first. */
  readonly features: readonly string[]
  /** What they rated in the week, from 0 to 10: the mean over users of the mean of each; null where nobody rated. */
  readonly satisfaction: number | null
}

/** What a user rated. */
export interface Rating {
  readonly user: string
  /** The local day. */
  readonly day: number
  /** What it is about: of those of one user about one thing the latest counts. */
  readonly about: string
  /** From 0 to 10; null where it was given without a scale. */
  readonly score: number | null
}

export interface EvolutionOptions {
  readonly asOfDay: number
  readonly weeks?: readonly number[]
  /**
   * `active`: users active in the week. `panel`: users who could be seen through the last of the weeks, whether or not they
   * came: the active ones of a late week are those who stayed, so comparing them with beginners flatters.
   */
  readonly basis?: 'active' | 'panel'
  /** How long each closed session took, in whole ms, by the user and the local day on which it began. */
  readonly sessions?: readonly { readonly user: string; readonly day: number; readonly durationMs: number }[]
  /** In the order of time. */
  readonly ratings?: readonly Rating[]
}

const evolutionWeeks = [1, 4, 12]
const WEEK_DAYS = 7
const MIN_FEATURE_SHARE = 0.2

export function evolution(
  histories: readonly UserHistory[],
  { asOfDay, weeks = evolutionWeeks, basis = 'active', sessions = [], ratings = [] }: EvolutionOptions,
): EvolutionWeek[] {
  const last = Math.max(...weeks)
  const panel = histories.filter(({ firstDay }) => firstDay + WEEK_DAYS * last <= asOfDay)
  const firstDayOf = new Map(histories.map(({ user, firstDay }) => [user, firstDay]))
  return weeks.map((week) => {
    const eligible = basis === 'panel' ? panel : histories.filter(({ firstDay }) => firstDay + WEEK_DAYS * week <= asOfDay)
    const seen = new Set(eligible.map(({ user }) => user))
    const active = daysInWeek(eligible, week)
    const requests = requestsOf(active)
    const userDays = WEEK_DAYS * (basis === 'panel' ? eligible.length : active.length)
    const isIn = ({ user, day }: { readonly user: string; readonly day: number }): boolean =>
      seen.has(user) && Math.floor((day - (firstDayOf.get(user) ?? day)) / WEEK_DAYS) + 1 === week
    return {
      week,
      eligible: eligible.length,
      users: active.length,
      requests,
      requestsPerDay: userDays === 0 ? null : requests / userDays,
      panel: panel.length,
      panelRequestsPerDay: panel.length === 0 ? null : requestsOf(daysInWeek(panel, week)) / (WEEK_DAYS * panel.length),
      sessionLengthAvgS: inSeconds(mean(sessions.filter(isIn).map(({ durationMs }) => durationMs))),
      features: commonFeatures(active),
      satisfaction: satisfactionOf(ratings.filter(isIn)),
    }
  })
}

function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

/** What those who were there did in their own week n, day by day. */
function daysInWeek(histories: readonly UserHistory[], week: number): (readonly ActiveDay[])[] {
  return histories
    .map((history) => activeDays(history, history.firstDay + WEEK_DAYS * (week - 1), history.firstDay + WEEK_DAYS * week))
    .filter((days) => days.length > 0)
}

function requestsOf(active: readonly (readonly ActiveDay[])[]): number {
  return active.reduce((sum, days) => sum + days.reduce((own, day) => own + day.requests, 0), 0)
}

/** Who rates much does not decide it. */
function satisfactionOf(ratings: readonly Rating[]): number | null {
  const latestOf = new Map<string, Map<string, number | null>>()
  for (const { user, about, score } of ratings) {
    let own = latestOf.get(user)
    if (own === undefined) latestOf.set(user, (own = new Map()))
    own.set(about, score)
  }
  const ofAll = mean([...latestOf.values()].flatMap((own) => mean([...own.values()].flatMap((score) => score ?? [])) ?? []))
  // Whose scores are added up first is not the same in every ledger; the last bits of a double would tell.
  return ofAll === null ? null : Math.round(ofAll * 1e9) / 1e9
}

function commonFeatures(active: readonly (readonly { readonly features: ReadonlyMap<string, number> }[])[]): string[] {
  const users = new Map<string, { users: number; requests: number }>()
  for (const days of active) {
    const own = new Map<string, number>()
    for (const { features } of days) for (const [feature, requests] of features) own.set(feature, (own.get(feature) ?? 0) + requests)
    for (const [feature, requests] of own) {
      const known = users.get(feature) ?? { users: 0, requests: 0 }
      users.set(feature, { users: known.users + 1, requests: known.requests + requests })
    }
  }
  return [...users]
    .filter(([, counted]) => counted.users >= MIN_FEATURE_SHARE * active.length)
    .sort(([a, x], [b, y]) => y.users - x.users || y.requests - x.requests || (a < b ? -1 : 1))
    .map(([feature]) => feature)
}

/** The nested object `user_evolution`, for people to read; a week that nobody has been seen through is null. */
export function evolutionInWords(
  weeks: readonly EvolutionWeek[],
  { catalogue = [] }: { readonly catalogue?: readonly string[] } = {},
): unknown {
  return Object.fromEntries(
    weeks.map(({ week, eligible, requestsPerDay, sessionLengthAvgS, features, satisfaction }) => [
      `week_${week}`,
      eligible === 0
        ? null
        : {
            requests_per_day: requestsPerDay === null ? null : Math.round(requestsPerDay * 1e7) / 1e7,
            avg_session_length: durationInWords(sessionLengthAvgS, 'short'),
            features_used: catalogue.length > 1 && catalogue.every((feature) => features.includes(feature)) ? ['all_features'] : features,
            satisfaction_score: satisfaction === null ? null : Math.round(satisfaction * 10) / 10,
          },
    ]),
  )
}
