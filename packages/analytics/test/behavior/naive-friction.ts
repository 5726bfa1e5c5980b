/** Friction from all calls at once, over plain arrays: what the reports are compared with. */
import { mean, quantile } from '../../src/statistics/quantiles.ts'
import type { SaidOfSession } from '../../src/behavior/outcomes.ts'
import { outcomeOf } from './naive-outcomes.ts'
import { ratio } from '../../src/behavior/session-metrics.ts'
import type { Session } from './naive-sessions.ts'
import { mostRetried, requestsByFeature } from '../../src/behavior/retries.ts'
import type { Friction } from '../../src/behavior/friction.ts'
import type { UserCall } from '../../src/behavior/user-call.ts'
import { groupBy } from '../../src/sums/group-by.ts'

export interface FrictionInput {
  readonly calls: readonly UserCall[]
  readonly sessions: readonly Session[]
  readonly retries: ReadonlyMap<string, UserCall>
  readonly powerUsers: ReadonlySet<string>
  readonly saidOf?: (session: Session) => SaidOfSession | undefined
  /** Features with fewer requests are left out. */
  readonly minRequests?: number
}

const modelErrorClasses: ReadonlySet<string | undefined> = new Set(['server_error', 'model_error', 'timeout', 'format_error', 'other'])
/** A pattern is told where it is this much commoner among abandoned sessions, and has at least this share of them. */
const MIN_LIFT = 1.2
const MIN_SHARE = 0.1
/** Longer waits are long whatever is usual. */
const LONG_WAIT_MS = 10_000

export function friction(input: FrictionInput): Friction {
  const { calls, sessions, powerUsers } = input
  const closed = sessions.filter(({ isOpen }) => !isOpen)
  const outcomeOfSession = (session: Session): string => outcomeOf(session, input.saidOf?.(session)).outcome
  const abandoned = closed.filter((session) => outcomeOfSession(session) === 'abandoned')
  const completed = closed.filter((session) => outcomeOfSession(session) === 'completed')
  const limited = new Set(
    calls.filter(({ errorClass, user }) => errorClass === 'rate_limit' && powerUsers.has(user)).map(({ user }) => user),
  )
  const modelErrors = calls.filter(({ status, errorClass }) => status === 'error' && modelErrorClasses.has(errorClass)).length
  return {
    retries: mostRetried(
      requestsByFeature(calls, input.retries),
      input.minRequests === undefined ? {} : { minRequests: input.minRequests },
    ),
    abandonment: {
      sessions: abandoned.length,
      messagesAvg: mean(abandoned.map(({ messages }) => messages.length)),
      patterns: patternsOf(abandoned, completed, input),
    },
    rateLimitedPowerUserShare: ratio(limited.size, powerUsers.size),
    modelErrorShare: ratio(modelErrors, calls.length),
    modelErrors,
    requests: calls.length,
  }
}

function patternsOf(
  abandoned: readonly Session[],
  completed: readonly Session[],
  input: FrictionInput,
): Friction['abandonment']['patterns'][number][] {
  const usualWait = usualWaits(input.calls)
  const shown = (sessions: readonly Session[]): Map<string, number> => {
    const counts = new Map<string, number>()
    for (const session of sessions) {
      for (const pattern of signsOf(session, usualWait, input)) counts.set(pattern, (counts.get(pattern) ?? 0) + 1)
    }
    return counts
  }
  const [bad, good] = [shown(abandoned), shown(completed)]
  return [...bad]
    .map(([pattern, count]) => ({
      pattern,
      share: count / abandoned.length,
      lift: (count + 0.5) / (abandoned.length + 1) / (((good.get(pattern) ?? 0) + 0.5) / (completed.length + 1)),
    }))
    .filter(({ share, lift }) => lift >= MIN_LIFT && share >= MIN_SHARE)
    .sort((a, b) => b.lift - a.lift || (a.pattern < b.pattern ? -1 : 1))
}

/** What of the end of a session may have made its user leave. The specific sign takes the place of the general one. */
function signsOf(session: Session, usualWait: ReadonlyMap<string | undefined, number>, { retries, saidOf }: FrictionInput): string[] {
  const last = session.calls.at(-1)
  if (last === undefined) return []
  const signs: string[] = []
  const waitMs = last.timeToFirstTokenMs ?? last.endMs - last.startMs
  if (waitMs > LONG_WAIT_MS || waitMs > (usualWait.get(last.feature) ?? Number.POSITIVE_INFINITY)) signs.push('long_wait_time')
  if (retries.has(last.id) || saidOf?.(session)?.lastAnswerDisliked === true) signs.push('unclear_response')
  if (last.errorClass === 'rate_limit') signs.push('rate_limited')
  else if (last.errorClass === 'truncated') signs.push('truncated')
  else if (last.status === 'error') signs.push('error_at_end')
  return signs
}

/** By feature, the wait that nine of ten calls do not exceed. */
function usualWaits(calls: readonly UserCall[]): ReadonlyMap<string | undefined, number> {
  const waits = groupBy(calls, ({ feature }) => feature)
  return new Map(
    [...waits].map(([feature, own]) => [
      feature,
      quantile(
        own.map(({ timeToFirstTokenMs, startMs, endMs }) => timeToFirstTokenMs ?? endMs - startMs),
        0.9,
      ) ?? Number.POSITIVE_INFINITY,
    ]),
  )
}
