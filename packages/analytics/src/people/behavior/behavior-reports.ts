import { friction, frictionInWords } from '../../behavior/friction.ts'
import { mostRetried } from '../../behavior/retries.ts'
import { sessionMetrics } from '../../behavior/session-metrics.ts'
import { usagePatterns, usagePatternsInWords } from '../../behavior/usage-patterns.ts'
import { compileRateLimitedUsers } from '../../plan/compile-users.ts'
import { segmentsOfUsers } from '../../segments/read-segments.ts'
import { evolution, evolutionInWords } from '../../retention/evolution.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import { rulesTold, scopeOf, type Frame } from '../../read/frame.ts'
import { readUserSums } from '../../read/population.ts'
import { readRows } from '../../ledger/snapshot.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { cameIn, readHistories } from '../histories/read-histories.ts'
import { sinceSignUp } from '../histories/since-sign-up.ts'
import { readRatings } from './read-ratings.ts'
import { readBehavior } from './read-behavior.ts'
import { hasFingerprints, withoutFingerprints } from '../../read/read-retries.ts'
import { readRequestsByFeature } from '../histories/read-retries.ts'
import { readRequests } from './read-requests.ts'
import { readOwnHours } from './read-own-hours.ts'
import { readUsage } from './read-usage.ts'
import { choiceOf, weeksOf } from '../../report-options.ts'

/** Sessions in numbers. */
export async function tellSessionMetrics({ frame, options }: PeopleAsked): Promise<Told> {
  const { totals, returning, words } = await readBehavior(frame, { messages: true, returns: true })
  const metrics = sessionMetrics(totals, { kinds: words.kinds, returning, mode: choiceOf(options, 'outcomes') })
  return {
    columns: {
      sessions: [
        'Sessions',
        'int',
        "sessions that began in the period: by the app's id, as long as less than 24 hours lie between two calls, else calls with less than 30 minutes between them, within 24 hours",
      ],
      open_sessions: ['Open', 'int', 'of these, with a call less than 30 minutes before as_of; not measured below'],
      duration_avg_s: ['Duration avg', 's', 'mean time from the first start to the last end'],
      duration_p50_s: ['Duration p50', 's', 'median of the same'],
      duration_p90_s: ['Duration p90', 's', 'nine of ten are shorter'],
      active_duration_avg_s: ['In use avg', 's', 'mean time in which calls ran, with at most five minutes of each pause'],
      requests_per_session: ['Requests', 'number', 'mean calls in a session'],
      messages_per_session: ['Messages', 'number', 'mean chat calls in a session that are no retries'],
      follow_up_rate: [
        'Follow-up %',
        'rate',
        'messages within ten minutes after the answer before, of all messages',
        ['follow_ups', 'messages'],
      ],
      follow_ups_per_session: ['Follow-ups', 'number', 'mean of these messages in a session'],
      return_24h_rate: [
        'Return 24 h %',
        'rate',
        'sessions after which the user began another within a day, of those that ended at least a day ago',
        ['returned', 'return_24h_known'],
      ],
      return_24h_known: ['Known', 'int', 'sessions that ended at least a day ago'],
      return_24h_user_rate: [
        'Users back %',
        'rate',
        'users who began another session within a day after at least one of these, of all users with one',
        ['returned_users', 'known_users'],
      ],
      completion_rate: ['Completed %', 'rate', 'completed / (completed + abandoned)', ['completed', 'ended']],
      completed: ['Completed', 'int', 'said so by the app, else the last call went well and its answer was not disliked'],
      abandoned: [
        'Abandoned',
        'int',
        'said so by the app, else the last call failed, was cancelled or cut off, or its answer was disliked',
      ],
      explicit_outcomes: ['Said', 'int', 'of both, how many the app itself said so of'],
      inferred_outcomes: ['Inferred', 'int', 'of both, all others: read from the last call and what was thought of its answer'],
      unknown_outcomes: [
        'Unknown',
        'int',
        'sessions that are over of which neither is known: with --outcomes strict those of which the app said nothing',
      ],
      abandonment_messages_avg: ['Left after avg', 'number', 'mean messages in abandoned sessions'],
      abandonment_messages_p50: ['Left after p50', 'number', 'their median'],
      reason: [
        'Why unknown',
        'string',
        'censored: all sessions ended less than a day ago, or go on; whether users come back is not known yet',
      ],
    },
    rows:
      metrics.sessions === 0
        ? []
        : [
            {
              ...metrics,
              follow_ups: totals.followUps,
              messages: totals.messages,
              returned: totals.returned,
              returned_users: returning.returned.size,
              known_users: returning.known.size,
              ended: metrics.completed + metrics.abandoned,
              reason: metrics.return_24h_known === 0 ? 'censored' : null,
            },
          ],
  }
}

/** How users use the app: everybody of the filter, or one user. */
export async function tellBehavior({ frame, options }: PeopleAsked): Promise<Told> {
  const hours = choiceOf(options, 'hours')
  const own = hours === 'user' ? await readOwnHours(frame) : undefined
  const usage = await readUsage(frame, { hours, rankBy: choiceOf(options, 'rank_by') })
  const patterns = usagePatterns(own === undefined ? usage : { ...usage, hours: own.hours })
  const { requests } = await readRequests(frame)
  return {
    seed: { user_behavior: usagePatternsInWords(patterns) },
    columns: {
      requests: ['Requests', 'int', 'calls, those without a user too; the other columns are of users only'],
      user_days: ['User-days', 'int', 'days on which users called, added up over users'],
      requests_per_active_day: ['Requests/day', 'number', 'requests of users / user_days'],
      requests_per_calendar_day: [
        'Requests/calendar day',
        'number',
        "requests of users / local days from each user's first call, or the begin of the period, to its end or as_of",
      ],
      peak_hours: [
        'Peak hours',
        'string',
        "the three local hours with most requests, in the order of the day; with --hours user of each user's own zone, with --hours normalized most of them in each such hour that there was",
      ],
      session_length_avg_s: ['Session avg', 's', 'mean time from the first start to the last end of sessions that are over'],
      favorite_features: ['Features', 'string', 'the three features with most requests (--rank-by users: users), and at least 5 % of them'],
      preferred_models: [
        'Models',
        'string',
        'the two requested models with most requests; where property model.choice says whose choice they were, of those that the user chose',
      ],
    },
    rows:
      requests === 0
        ? []
        : [
            {
              requests,
              user_days: patterns.userDays,
              requests_per_active_day: patterns.requestsPerActiveDay,
              requests_per_calendar_day: patterns.requestsPerCalendarDay,
              peak_hours: patterns.peakHours.join(', '),
              session_length_avg_s: patterns.sessionLengthAvgS,
              favorite_features: patterns.favoriteFeatures.join(', '),
              preferred_models: patterns.preferredModels.join(', '),
            },
          ],
    warnings:
      own === undefined ? [] : [`hours are of the own zone of ${own.known} of ${own.users} users, of ${frame.zone.name} for the others`],
  }
}

/** How behaviour changes with tenure. */
export async function tellEvolution({ frame, options, isBegun }: PeopleAsked): Promise<Told> {
  const found = await readHistories(frame, { features: true })
  const { asOfDay, scope, dayOf } = found
  const counted = await sinceSignUp(frame, found.histories, options)
  const histories = cameIn(frame, { histories: counted.histories, dayOf }, { isBegun })
  const sessions: { user: string; day: number; durationMs: number }[] = []
  // The weeks of who came in the period go on after it.
  const ever = { ...frame, period: scope.period }
  await readBehavior(ever, {
    eachClosed: ({ userId, startMs, endMs }) => {
      const day = timeKeyOfDay('day', frame.zone.day(startMs))
      sessions.push({ user: String(userId), day, durationMs: endMs - startMs })
    },
  })
  const ratings = await readRatings(frame, { scope, dayOf })
  const weeks = weeksOf(options)
  const rows = evolution(histories, {
    asOfDay,
    ...(weeks === undefined ? {} : { weeks }),
    basis: choiceOf(options, 'basis'),
    sessions,
    ratings: ratings ?? [],
  })
  const catalogue = [...new Set(histories.flatMap(({ days }) => days.flatMap(({ features }) => [...features.keys()])))]
  return {
    seed: { user_evolution: evolutionInWords(rows, { catalogue }) },
    columns: {
      week: ['Week', 'int', "users' own week since they signed up or, where that is not known, were first seen"],
      eligible: [
        'Eligible',
        'int',
        'users whose week is over; with --basis panel, users who could be seen through the last week asked for',
      ],
      users: ['Users', 'int', 'of these, with a call in the week'],
      requests: ['Requests', 'int', 'their calls in the week'],
      requests_per_day: ['Requests/day', 'number', 'requests / (7 days x users); with --basis panel requests / (7 days x eligible)'],
      panel: ['Panel', 'int', 'users who could be seen through the last week asked for, the same ones in every row'],
      panel_requests_per_day: [
        'Panel/day',
        'number',
        'their calls in the week / (7 days x panel), whether or not they came: users of a late week are those who stayed, the panel is everybody',
      ],
      session_length_avg_s: ['Session avg', 's', 'mean length of sessions that began in the week'],
      features: ['Features', 'string', 'features that at least a fifth of the users used, the most used first'],
      satisfaction: [
        'Satisfaction',
        'number',
        'what eligible users rated in the week, from 0 to 10: of each user, name and target the latest, the mean over users of the mean of each',
      ],
      reason: ['Why unknown', 'string', 'censored: too early, the week is not over for anybody; no_users: nobody had a call in it'],
    },
    rows:
      histories.length === 0
        ? []
        : rows.map((row) => ({
            week: row.week,
            eligible: row.eligible,
            users: row.users,
            requests: row.requests,
            requests_per_day: row.requestsPerDay,
            panel: row.panel,
            panel_requests_per_day: row.panelRequestsPerDay,
            session_length_avg_s: row.sessionLengthAvgS,
            features: row.features.join(', '),
            satisfaction: row.satisfaction,
            reason: row.eligible === 0 ? 'censored' : row.users === 0 ? 'no_users' : null,
          })),
    badSignUps: counted.badSignUps,
    warnings:
      ratings === undefined ? ['satisfaction is filtered by user, session, property, segment and time only; elsewhere it is null'] : [],
  }
}

/** Where users struggle. */
export async function tellFriction({ frame }: PeopleAsked): Promise<Told> {
  const { totals, words, rateLimited } = await readBehavior(frame, { counts: 'kinds', waits: true, messages: true })
  const segmentOfUser = await segmentsOfUsers(frame.store, await frame.segments(), frame.clock.asOfMs)
  const meant = await readMeant(frame)
  const powerUsers: number[] = []
  for (const [userId, segment] of segmentOfUser) if (segment === 'power' && meant?.has(userId) !== false) powerUsers.push(userId)
  // Most ledgers have none, and then the requests of features need not be counted.
  const asked = (await hasFingerprints(frame)) ? await readRequestsByFeature(frame) : { features: [], isTold: false }
  const limited = rateLimited ?? (await readRateLimited(frame))
  const found = friction({
    ...(await readRequests(frame)),
    totals,
    kinds: words.kinds,
    retries: mostRetried(asked.features),
    powerUsers: powerUsers.length,
    rateLimitedPowerUsers: powerUsers.filter((userId) => limited.has(userId)).length,
  })
  const { retries, abandonment, rateLimitedPowerUserShare, modelErrorShare, modelErrors, requests } = found
  return {
    seed: { friction_analysis: frictionInWords(found) },
    columns: {
      friction: ['Friction', 'string', 'high_retry_requests, abandoned_sessions, rate_limits or model_errors'],
      what: ['What', 'string', 'the feature repeated most; what abandoned sessions show more than others; who is meant'],
      share: ['Share', 'rate', 'repeated requests of the feature; abandoned sessions that show it; power users; requests', ['n', 'of']],
      n: ['n', 'int', 'how many'],
      of: ['Of', 'int', 'of how many'],
      lift: ['Lift', 'number', 'how much commoner among abandoned than among completed sessions, half a session added to each'],
      issues: ['Issues', 'string', 'what became of the requests that were repeated'],
    },
    rows:
      requests === 0
        ? []
        : [
            ...(retries === null
              ? []
              : [
                  {
                    friction: 'high_retry_requests',
                    what: retries.feature,
                    share: retries.rate,
                    n: retries.retries,
                    of: retries.requests,
                    lift: null,
                    issues: retries.issues.join(', '),
                  },
                ]),
            ...abandonment.patterns.map(({ pattern, share, lift }) => ({
              friction: 'abandoned_sessions',
              what: pattern,
              share,
              n: Math.round(share * abandonment.sessions),
              of: abandonment.sessions,
              lift,
              issues: null,
            })),
            {
              friction: 'rate_limits',
              what: 'power users',
              share: rateLimitedPowerUserShare,
              n: rateLimitedPowerUserShare === null ? 0 : Math.round(rateLimitedPowerUserShare * powerUsers.length),
              of: powerUsers.length,
              lift: null,
              issues: null,
            },
            { friction: 'model_errors', what: 'requests', share: modelErrorShare, n: modelErrors, of: requests, lift: null, issues: null },
          ],
    warnings: [...(asked.isTold ? [] : [withoutFingerprints]), ...rulesTold(frame)],
  }
}

/** Where calls are chosen, those with such a call are meant; undefined is everybody. */
async function readMeant(frame: Frame): Promise<ReadonlySet<number> | undefined> {
  if (frame.where === undefined) return undefined
  const { ids } = await readUserSums(frame.store, await scopeOf(frame, frame.period), { sums: [], activeDays: false })
  return new Set(ids)
}

async function readRateLimited(frame: Frame): Promise<ReadonlySet<number>> {
  const statement = compileRateLimitedUsers(await scopeOf(frame, frame.period))
  return new Set(statement === undefined ? [] : await readRows<number>(frame.store, statement))
}
