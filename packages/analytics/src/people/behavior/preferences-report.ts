import type { Dimension } from '../../query/dimensions.ts'
import { scopeOf } from '../../read/frame.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { PeopleAsked } from '../answers/people-report.ts'
import type { Told } from '../answers/told.ts'
import { MIN_CHOICES, noPreference, readPreferences } from './read-preferences.ts'
import { MIN_STYLED, MIN_STYLE_SHARE, readStyles, STYLE_DAYS } from './read-styles.ts'

const USER: Dimension = { kind: 'column', name: 'user' }

/** Whether users would rather have it fast or good, as far as anything says so: what `getUserMetrics` tells an app of each. */
export async function tellPreferences({ frame }: PeopleAsked): Promise<Told> {
  const asked = await readGroups(frame.store, await scopeOf(frame, frame.period), { dimensions: [USER], metrics: ['requests'] })
  const names = new Map(asked.flatMap(({ keys, labels }) => (Number(keys[0]) === 0 ? [] : [[Number(keys[0]), String(labels[0])] as const])))
  const everything = await scopeOf({ ...frame, where: undefined }, { fromMs: 0, toMs: frame.clock.asOfMs })
  const found = await readPreferences(frame, everything, [...names.keys()])
  const styles = await readStyles(frame, everything, [...names.keys()])
  const rowOf = (userId: number) => {
    const { prefers, basis, requests, fast_share: fast, quality_share: quality } = found.get(userId) ?? noPreference
    const { style, formal = 0, casual = 0 } = styles.get(userId) ?? {}
    return {
      user: names.get(userId) ?? '',
      prefers: prefers ?? null,
      basis,
      chosen_requests: requests,
      fast_share: fast,
      quality_share: quality,
      fast: fast === null ? null : Math.round(fast * requests),
      quality: quality === null ? null : Math.round(quality * requests),
      communication_style: style ?? null,
      styled_requests: formal + casual,
      formal_share: formal + casual === 0 ? null : formal / (formal + casual),
      formal,
    }
  }
  return {
    columns,
    rows: [...new Set([...found.keys(), ...styles.keys()])]
      .map(rowOf)
      .toSorted((a, b) => b.chosen_requests - a.chosen_requests || b.styled_requests - a.styled_requests || (a.user < b.user ? -1 : 1)),
  }
}

const columns = {
  user: ['User', 'string', 'users with a call in the period of whom anything is known'],
  prefers: ['Prefers', 'string', 'speed or quality; null where neither is told'],
  basis: [
    'Basis',
    'string',
    `property: what property "preference" of the latest call that has one says; choices: what the user chose, of at least ${MIN_CHOICES} such requests by a fifth of them more often; none`,
  ],
  chosen_requests: [
    'Chosen',
    'int',
    'requests of the 30 days before as_of whose model the user chose (property model.choice = user, or exploration)',
  ],
  fast_share: [
    'Fast %',
    'rate',
    'of these, to a fast model: the third that answers soonest, or those of defineModelTiers',
    ['fast', 'chosen_requests'],
  ],
  quality_share: [
    'Quality %',
    'rate',
    'of these, to a good one: the third that costs most per token, or those of defineModelTiers',
    ['quality', 'chosen_requests'],
  ],
  communication_style: [
    'Style',
    'string',
    `how the user writes: formal or casual, by property "communication_style" (communicationStyle of the instrumentation) of at least ${MIN_STYLED} requests of the last ${STYLE_DAYS} days; null where it is not known, or where less than ${MIN_STYLE_SHARE * 100} % of them are one`,
  ],
  styled_requests: ['Styled', 'int', 'requests of these days that are formal or casual'],
  formal_share: ['Formal %', 'rate', 'of these, formal ones', ['formal', 'styled_requests']],
} as const satisfies Told['columns']
