import { Durations } from './durations.ts'
import type { Group, Saved } from './metrics.ts'

/**
 * What is left of a group of calls without some of its parts: exact, also for users, sessions and quantiles, where the parts
 * share no user. The first and last calls are not known of it.
 */
export function withoutGroups(whole: Group, parts: readonly Group[]): Group {
  const left = (name: 'users' | 'sessions' | 'activeDays'): number =>
    parts.reduce((rest, part) => rest - (part[name] ?? 0), whole[name] ?? 0)
  return {
    sums: new Map([...whole.sums].map(([name, sum]) => [name, parts.reduce((rest, { sums }) => rest - (sums.get(name) ?? 0), sum)])),
    costNanoUsd: parts.reduce((rest, { costNanoUsd }) => rest - costNanoUsd, whole.costNanoUsd),
    users: left('users'),
    sessions: left('sessions'),
    activeDays: left('activeDays'),
    ...(whole.saved === undefined ? {} : { saved: parts.reduce((rest, { saved }) => savedLeft(rest, saved), whole.saved) }),
    ...durationsLeft('latency', whole, parts),
    ...durationsLeft('ttft', whole, parts),
  }
}

function savedLeft(whole: Saved, part: Saved | undefined): Saved {
  if (part === undefined) return whole
  return {
    hits: whole.hits - part.hits,
    unpriced: whole.unpriced - part.unpriced,
    tokens: whole.tokens - part.tokens,
    costNanoUsd: whole.costNanoUsd - part.costNanoUsd,
  }
}

function durationsLeft(column: 'latency' | 'ttft', whole: Group, parts: readonly Group[]): Partial<Group> {
  if (whole[column] === undefined) return {}
  const left = new Durations()
  left.merge(whole[column], 1)
  for (const part of parts) if (part[column] !== undefined) left.merge(part[column], -1)
  return { [column]: left }
}
