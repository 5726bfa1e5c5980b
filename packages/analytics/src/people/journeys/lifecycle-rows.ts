import { ratio } from '../../behavior/session-metrics.ts'
import type { Frame } from '../../read/frame.ts'
import type { Week } from '../../behavior/user-history.ts'
import type { ColumnTable } from '../answers/told.ts'
import type { Lifecycle, LifecycleOptions } from './read-lifecycle.ts'

/** What the figures of a stage are told from; there is at least one user. */
export interface StageAsked {
  readonly frame: Frame
  readonly asked: LifecycleOptions
  readonly lifecycle: Lifecycle
  /** On which day the weeks begin that show which features are habits. */
  readonly week: () => Week
}

/** One figure of a stage. */
export interface StageMetric {
  readonly metric: string
  /** What of it, where there are several: a source, a milestone. */
  readonly name?: string | undefined
  readonly users: number | null
  readonly of: number | null
  readonly value?: number | null | undefined
  /** The value, or without one the rate, at the begin of the period. */
  readonly previous?: number | null | undefined
  readonly unit?: string | undefined
  readonly basis: 'explicit' | 'inferred' | 'mixed'
  readonly reason?: string | undefined
}

export const stageMetricColumns: ColumnTable = {
  metric: ['Metric', 'string', 'what is told; docs/reports.md says how'],
  name: ['Name', 'string', 'which source, milestone or step, where there are several'],
  users: ['Users', 'int', 'users of whom it holds'],
  of: ['Of', 'int', 'of how many it is known'],
  rate: ['Rate', 'rate', 'users / of', ['users', 'of']],
  value: ['Value', 'number', 'a figure that is no share of users, in the unit beside it'],
  previous: ['Before', 'number', 'the value, or where there is none the rate, at the begin of the period, or in as much time before it'],
  unit: ['Unit', 'string', 'of the value'],
  basis: ['Known how', 'string', 'explicit: the app said so; inferred: from calls; mixed: of some the one, of others the other'],
  reason: ['Why unknown', 'string', 'no_users; censored: too early to tell of anybody; not_configured; no_plans, no_answers: nobody told'],
}

export function stageMetricCells({ metric, name, users, of, value, previous, unit, basis, reason }: StageMetric) {
  const rate = users === null || of === null ? null : ratio(users, of)
  return {
    metric,
    name: name ?? null,
    users,
    of,
    rate,
    value: value ?? null,
    previous: previous ?? null,
    unit: unit ?? null,
    basis,
    reason: reason ?? (rate === null && (value ?? null) === null ? 'no_users' : null),
  }
}
