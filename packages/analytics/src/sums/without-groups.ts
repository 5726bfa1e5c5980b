import { Durations } from './durations.ts'
import type { Group, Reported, Saved } from './group.ts'

/**
 * What is left of a group of calls without some of its parts: exact, also for users, sessions and quantiles, where the parts
 * share no user. The first and last calls are not known of it.
 */
export function withoutGroups(whole: Group, parts: readonly Group[]): Group {
  const left = (name: 'users' | 'sessions' | 'activeDays' | 'unpricedTokens'): number =>
    parts.reduce((rest, part) => rest - (part[name] ?? 0), whole[name] ?? 0)
  return {
    sums: new Map([...whole.sums].map(([name, sum]) => [name, parts.reduce((rest, { sums }) => rest - (sums.get(name) ?? 0), sum)])),
    costNanoUsd: parts.reduce((rest, { costNanoUsd }) => rest - costNanoUsd, whole.costNanoUsd),
    users: left('users'),
    sessions: left('sessions'),
    activeDays: left('activeDays'),
    unpricedTokens: left('unpricedTokens'),
    ...(whole.saved === undefined
      ? {}
      : {
          saved: amountsLeft(
            whole.saved,
            parts.map(({ saved }) => saved),
            savedMinus,
          ),
        }),
    ...(whole.reported === undefined
      ? {}
      : {
          reported: amountsLeft(
            whole.reported,
            parts.map(({ reported }) => reported),
            reportedMinus,
          ),
        }),
    ...(whole.outcomes === undefined
      ? {}
      : {
          outcomes: amountsLeft(
            whole.outcomes,
            parts.map(({ outcomes }) => outcomes),
            (a, b) => ({ known: a.known - b.known, succeeded: a.succeeded - b.succeeded }),
          ),
        }),
    ...(whole.estimate === undefined
      ? {}
      : {
          estimate: amountsLeft(
            whole.estimate,
            parts.map(({ estimate }) => estimate),
            (a, b) => ({
              requests: a.requests - b.requests,
              told: a.told - b.told,
              rated: a.rated - b.rated,
              succeeded: a.succeeded - b.succeeded,
            }),
          ),
        }),
    ...(whole.messages === undefined ? {} : { messages: parts.reduce((rest, { messages = 0 }) => rest - messages, whole.messages) }),
    ...(whole.retries === undefined
      ? {}
      : {
          retries: amountsLeft(
            whole.retries,
            parts.map(({ retries }) => retries),
            (a, b) => ({ requests: a.requests - b.requests, retries: a.retries - b.retries }),
          ),
        }),
    ...durationsLeft('latency', whole, parts),
    ...durationsLeft('ttft', whole, parts),
  }
}

/** What is left of some amounts, which not every part has. */
function amountsLeft<Amounts>(
  whole: Amounts,
  parts: readonly (Amounts | undefined)[],
  minus: (a: Amounts, b: Amounts) => Amounts,
): Amounts {
  return parts.reduce<Amounts>((rest, part) => (part === undefined ? rest : minus(rest, part)), whole)
}

function savedMinus(a: Saved, b: Saved): Saved {
  return {
    hits: a.hits - b.hits,
    unpriced: a.unpriced - b.unpriced,
    tokens: a.tokens - b.tokens,
    costNanoUsd: a.costNanoUsd - b.costNanoUsd,
  }
}

function reportedMinus(a: Reported, b: Reported): Reported {
  return {
    calls: a.calls - b.calls,
    costNanoUsd: a.costNanoUsd - b.costNanoUsd,
    priced: a.priced - b.priced,
    pricedNanoUsd: a.pricedNanoUsd - b.pricedNanoUsd,
    computedNanoUsd: a.computedNanoUsd - b.computedNanoUsd,
  }
}

function durationsLeft(column: 'latency' | 'ttft', whole: Group, parts: readonly Group[]): Partial<Group> {
  if (whole[column] === undefined) return {}
  const left = new Durations()
  left.merge(whole[column], 1)
  for (const part of parts) if (part[column] !== undefined) left.merge(part[column], -1)
  return { [column]: left }
}
