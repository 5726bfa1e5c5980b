import { QueryError } from '../../query/query-error.ts'
import { dateOf } from '../../behavior/user-history.ts'
import { timeKeyOfDay } from '../../query/time-bucket.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { readTierUse } from './read-tier-use.ts'
import { parseTiersText, useOfLimit } from '../../segments/tiers.ts'

/** What each user used of the limits of its tier in the tier's running month. */
export async function tellTiers({ frame, options }: PeopleAsked): Promise<Told> {
  const bySegment = options['tiers'] === undefined && frame.clock.segmentation?.custom.some(({ tier }) => tier !== undefined) === true
  if (options['tiers'] === undefined && !bySegment) {
    throw new QueryError(
      'The tiers report needs tiers: a file with --tiers FILE, segments with limits (--segments FILE), or JSON in options.tiers.',
      { given: '' },
    )
  }
  const tiers = bySegment ? undefined : parseTiersText(options['tiers'] ?? '')
  const users = await readTierUse(frame, tiers)
  const today = timeKeyOfDay('day', frame.zone.day(frame.clock.asOfMs))
  return {
    columns: {
      user: ['User', 'string', 'users with a call in the running month of their tier'],
      tier: ['Tier', 'string', "the first whose filter fits the latest of the user's calls that fit any; without tiers the user's segment"],
      month_from: ['Month from', 'date', "the first day of the tier's running local month: the first, or its billing_anchor_day"],
      requests: ['Requests', 'int', 'calls of the month so far'],
      request_limit: ['Limit', 'int', 'monthly_request_limit; null for none'],
      remaining: ['Left', 'int', 'request_limit - requests, not below 0'],
      used_share: ['Used', 'rate', 'requests / request_limit'],
      projected: ['Projected', 'number', 'requests, and the mean of the last seven whole days for each day of the month after today'],
      exhausted_on: [
        'Reached',
        'date',
        'the day on which the limit was reached, or is at that pace; null where it is not within the month',
      ],
      tokens: ['Tokens', 'int', 'of the month so far'],
      token_limit: ['Token limit', 'int', 'monthly_token_limit'],
      cost_usd: ['Cost', 'usd', 'of the month so far'],
      cost_limit_usd: ['Cost limit', 'usd', 'monthly_cost_limit'],
      is_over: ['Over', 'bool', 'whether any limit is used up'],
      feature_violations: ['Violations', 'int', 'calls of the month with a feature that the tier does not have'],
    },
    rows: users
      .map((one) => {
        const { tier, requests, tokens, costNanoUsd, requestsInSevenDays, monthFrom, daysLeft } = one
        const use = useOfLimit({ limit: tier.requests, used: requests, lastSevenDays: requestsInSevenDays, daysLeft })
        return {
          user: one.user,
          tier: tier.name,
          month_from: dateOf(monthFrom),
          requests,
          request_limit: use.limit,
          remaining: use.remaining,
          used_share: use.share,
          projected: use.projected,
          exhausted_on: exhaustedOn(use.exhaustedInDays, { today, daysLeft, reachedOn: one.reachedOn }),
          tokens,
          token_limit: tier.tokens,
          cost_usd: costNanoUsd,
          cost_limit_usd: tier.costNanoUsd === null ? null : BigInt(Math.round(tier.costNanoUsd)),
          is_over: isOver(one),
          feature_violations: one.violations,
        }
      })
      .sort((a, b) => (b.used_share ?? -1) - (a.used_share ?? -1) || (a.user < b.user ? -1 : 1)),
  }
}

/** Whether any of a tier's limits is used up. */
export function isOver({
  tier,
  requests,
  tokens,
  costNanoUsd,
}: Pick<Awaited<ReturnType<typeof readTierUse>>[number], 'tier' | 'requests' | 'tokens' | 'costNanoUsd'>): boolean {
  return (
    (tier.requests !== null && requests >= tier.requests) ||
    (tier.tokens !== null && tokens >= tier.tokens) ||
    (tier.costNanoUsd !== null && costNanoUsd >= tier.costNanoUsd)
  )
}

/** A limit of 0 is reached with the month. */
function exhaustedOn(
  inDays: number | null,
  { today, daysLeft, reachedOn }: { today: number; daysLeft: number; reachedOn: number | null },
): string | null {
  if (reachedOn !== null) return dateOf(reachedOn)
  return inDays === null || inDays > daysLeft ? null : dateOf(today + inDays)
}
