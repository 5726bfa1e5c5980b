import type { RawRow } from '../query/answer.ts'
import { amountCells, comparison } from '../read/compare-previous.ts'
import { NONE } from '../query/dimensions.ts'
import { readTotals, scopeOf, type Frame } from '../read/frame.ts'
import { saidKinds, type Group } from '../sums/group.ts'
import type { Amount } from '../query/metric.ts'
import { isMetric, requirements, type MetricName } from '../query/metrics.ts'
import { previousPeriod, type CompareMode } from '../query/period.ts'
import { rankCosts, type Population } from '../read/population.ts'
import { readNames } from './rank-users.ts'
import { readGroups } from '../read/read-groups.ts'
import { readSaid } from '../read/read-said.ts'
import type { GroupChoice, Scope } from '../plan/scope.ts'
import { countSessions, fillUsers, isOfWholeUsers, type UserColumn } from './user-columns.ts'
import { withoutGroups } from '../sums/without-groups.ts'

/** A row of the users report, with what it was made from. */
export interface UserRow {
  readonly userId: number
  readonly position: number
  readonly row: RawRow
  readonly group: Group
}

/** How many users are filled at a time from rollups, and from the calls, which are all read each time. */
const FILL_STEP = 2000
const FILL_STEP_FROM_CALLS = 100_000
/** Columns that are told of some users from the calls of all. */
const ofAllCalls: ReadonlySet<string> = new Set(['anomalies', 'retries', 'retry_rate', 'messages', 'success_estimate'])

/** Reads all columns of the users at some positions. */
export async function readUserRows(
  frame: Frame,
  scope: Scope,
  { population, positions, chosen }: { population: Population; positions: readonly number[]; chosen: readonly string[] },
): Promise<UserRow[]> {
  const ranks = rankCosts(population)
  const columns = chosen.filter(
    (key): key is UserColumn => key !== 'user' && !isMetric(key) && key !== 'cost_share' && key !== 'cost_percentile',
  )
  const metrics = ['requests', 'cost_usd', ...chosen].filter(isMetric)
  const rows: UserRow[] = []
  const readsAllCalls = chosen.some((name) => ofAllCalls.has(name)) || scope.buckets === undefined || !isOfWholeUsers(scope)
  const stepLength = readsAllCalls ? FILL_STEP_FROM_CALLS : FILL_STEP
  for (let at = 0; at < positions.length; at += stepLength) {
    const step = positions.slice(at, at + stepLength)
    const userIds = step.map((n) => population.ids[n] ?? 0)
    const names = await readNames(frame, userIds)
    const filled = await fillUsers(frame, scope, { userIds, metrics, columns })
    for (const [n, position] of step.entries()) {
      const userId = userIds[n] ?? 0
      const { cells, group } = filled.get(userId) ?? {
        cells: new Map<string, Amount | string>(),
        group: { sums: new Map(), costNanoUsd: 0n },
      }
      const row = new Map<string, Amount | string>(cells)
      row.set('user', names.get(userId) ?? NONE)
      row.set('cost_share', ranks.share(position))
      row.set('cost_percentile', ranks.percentile(position))
      rows.push({ userId, position, row, group: { ...group, users: userId === 0 || position >= population.callers ? 0 : 1 } })
    }
  }
  return rows
}

/** The totals of the selected users; how many they are, and their days, the population has already told. */
export async function readUsersTotal(
  frame: Frame,
  selected: Scope,
  { population, selection, metrics }: { population: Population; selection: readonly number[]; metrics: readonly MetricName[] },
): Promise<Group> {
  const wholeUsers = isOfWholeUsers(selected)
  const isEverybody = selected.userIds === undefined
  const read = metrics.filter((name) => (name !== 'active_days' || !isEverybody) && (name !== 'sessions' || !wholeUsers))
  const total = await readTotals(frame, selected, read, {
    users: selection.filter((n) => n < population.callers && population.ids[n] !== 0).length,
  })
  return {
    ...total,
    ...(isEverybody ? { activeDays: population.allActiveDays } : {}),
    ...(wholeUsers && metrics.includes('sessions') ? { sessions: await countSessions(frame, selected) } : {}),
  }
}

/** What users did in the period before. */
export interface UsersBefore {
  readonly of: (userId: number) => Group | undefined
  readonly scope: Scope
}

export async function readUsersBefore(
  frame: Frame,
  userIds: readonly number[],
  { metrics, compare }: { metrics: readonly MetricName[]; compare: CompareMode },
): Promise<UsersBefore> {
  const scope = await scopeOf(frame, previousPeriod(frame.period, frame.zone, compare))
  const groups = await readGroups(frame.store, { ...scope, userIds }, { dimensions: frame.dimensions, metrics })
  const byUser = new Map(groups.map(({ keys: [id], group }) => [Number(id ?? 0), { ...group, users: Number(id ?? 0) === 0 ? 0 : 1 }]))
  return { of: (userId) => byUser.get(userId), scope }
}

/** Rows with what they were before. */
export function compareUserRows(rows: readonly UserRow[], before: UsersBefore, metrics: readonly MetricName[]): UserRow[] {
  return rows.map((one) => {
    const group = before.of(one.userId)
    const previous = group === undefined ? undefined : amountCells(metrics, group)
    return { ...one, row: new Map([...one.row, ...comparison(metrics, one.row, previous)]) }
  })
}

interface Summary {
  readonly total: Group
  /** Undefined where nothing is compared. */
  readonly totalBefore: Group | undefined
  readonly metrics: readonly MetricName[]
}

/** The totals of a report, and what they were before. */
export function summaryCells({ total, totalBefore, metrics }: Summary): RawRow {
  const cells: RawRow = amountCells(metrics, total)
  return totalBefore === undefined ? cells : new Map([...cells, ...comparison(metrics, cells, amountCells(metrics, totalBefore))])
}

/**
 * What the users that are not listed did together: users share no call, so it is the totals without those that are; what
 * they said is read anew, because means cannot be subtracted.
 */
export async function otherUsers(
  frame: Frame,
  listed: readonly UserRow[],
  { scope, before, summary }: { scope: Scope; before: UsersBefore | undefined; summary: Summary },
): Promise<RawRow> {
  const { total, totalBefore, metrics } = summary
  const others: GroupChoice = { dimensions: frame.dimensions, keys: listed.map(({ userId }) => [userId]), are: 'out' }
  const shown = listed.flatMap(({ userId }) => before?.of(userId) ?? [])
  return summaryCells({
    total: {
      ...withoutGroups(
        total,
        listed.map(({ group }) => group),
      ),
      ...(await saidOf(frame, { ...scope, groups: others }, metrics)),
    },
    totalBefore:
      totalBefore === undefined || before === undefined
        ? undefined
        : {
            ...withoutGroups(totalBefore, shown),
            ...(await saidOf(frame, { ...before.scope, userIds: scope.userIds, groups: others }, metrics)),
          },
    metrics,
  })
}

async function saidOf({ store }: Frame, scope: Scope, metrics: readonly MetricName[]): Promise<Partial<Group>> {
  const { needs } = requirements(metrics)
  const said: Partial<Group>[] = []
  for (const kind of saidKinds) {
    if (!needs.has(kind)) continue
    const found = await readSaid(store, scope, { kind, dimensions: [] })
    if (found !== undefined) said.push(found.groups[0]?.group ?? found.nothing)
  }
  return Object.assign({}, ...said) as Partial<Group>
}
