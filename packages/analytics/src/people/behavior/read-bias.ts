import type { BiasCell, Measure } from '../../behavior/bias.ts'
import { compileBase } from '../../plan/compile.ts'
import { NONE, type Dimension } from '../../query/dimensions.ts'
import { join, raw, sql } from '../../ledger/fragment.ts'
import { scopeOf, type Frame } from '../../read/frame.ts'
import { readSaid } from '../../read/read-said.ts'
import { readGroups } from '../../read/read-groups.ts'
import type { Key, Scope } from '../../plan/scope.ts'
import { readRows } from '../../ledger/snapshot.ts'

const USER: Dimension = { kind: 'column', name: 'user' }
const MODEL: Dimension = { kind: 'column', name: 'model' }
const FEATURE: Dimension = { kind: 'property', key: 'feature' }

/** Why a model stopped, in the words of several providers, where it would not answer. */
const refusals = [
  'content_filter',
  'refusal',
  'safety',
  'prohibited_content',
  'blocklist',
  'spii',
  'guardrail_intervened',
  'content_filtered',
]

/** What users of each value of a property had in the period, by model and feature. Calls of nobody are in none. */
export async function readBias(frame: Frame, property: Dimension): Promise<BiasCell[]> {
  const scope = await scopeOf(frame, frame.period)
  return [
    ...(await readCallCells(frame, scope, property)),
    ...(await readGoalCells(frame, scope, property)),
    ...(await readRatingCells(frame, scope, property)),
  ]
}

async function readCallCells({ store }: Frame, scope: Scope, property: Dimension): Promise<BiasCell[]> {
  const base = compileBase({ source: 'calls', dimensions: [property, USER, MODEL, FEATURE], sums: ['errors'], needs: [] }, scope)
  const label = base?.dimensions[0]?.label('k0')
  // The calls know every dimension and filter.
  if (base === undefined || label === undefined) throw new Error('The calls cannot answer this reading.')
  const isRefusal = `(kinds.error_class = 'content_filter' OR replace(lower(kinds.finish_reason), '-', '_') IN (${refusals.map((word) => `'${word}'`).join(', ')}))`
  const sums = [
    'count(*) AS n',
    "sum(kinds.status = 'error') AS errors",
    `sum(${isRefusal}) AS refused`,
    "sum(kinds.error_class = 'rate_limit') AS limited",
    "sum(kinds.status = 'ok') AS ok",
    "sum(iif(kinds.status = 'ok', ln(max(c.latency_ms, 1)), 0)) AS waited",
    "sum(kinds.status = 'ok' AND c.ttft_ms IS NOT NULL) AS begun",
    "sum(iif(kinds.status = 'ok' AND c.ttft_ms IS NOT NULL, ln(max(c.ttft_ms, 1)), 0)) AS begun_after",
  ].map(raw)
  const rows = await readRows<Key[]>(
    store,
    sql`SELECT json_group_array(json_array(${label}, k1, k2, k3, n, errors, refused, limited, ok, waited, begun, begun_after)) AS rows FROM (
      SELECT ${join([...base.keys, ...sums], ', ')} ${base.from} AND c.user_id <> 0 ${base.groupBy(['k0', 'k1', 'k2', 'k3'])})`,
  )
  return rows.flatMap(([group = null, user, model, feature, n, errors, refused, limited, ok, waited, begun, begunAfter]) => {
    const cell = (measure: Measure, part: Key | undefined, whole: Key | undefined): BiasCell => ({
      measure,
      group: nameOf(group),
      user: Number(user),
      stratum: JSON.stringify([model, feature]),
      part: Number(part),
      whole: Number(whole),
    })
    return [
      cell('error_rate', errors, n),
      cell('refusal_rate', refused, n),
      cell('rate_limit_rate', limited, n),
      cell('latency_ms', waited, ok),
      cell('ttft_ms', begunAfter, begun),
    ]
  })
}

async function readGoalCells({ store }: Frame, scope: Scope, property: Dimension): Promise<BiasCell[]> {
  const found = await readSaid(store, scope, { kind: 'goals', dimensions: [property, USER] })
  return (found?.groups ?? [])
    .filter(({ keys }) => Number(keys[1]) !== 0)
    .map(({ keys, labels, group }) => ({
      measure: 'goal_success',
      group: nameOf(labels[0] ?? null),
      user: Number(keys[1]),
      stratum: undefined,
      part: group.goals?.reached ?? 0,
      whole: group.goals?.told ?? 0,
    }))
}

async function readRatingCells({ store }: Frame, scope: Scope, property: Dimension): Promise<BiasCell[]> {
  const found = await readGroups(store, scope, { dimensions: [property, USER], metrics: ['satisfaction'] })
  return found.flatMap(({ keys, labels, group: { feedback } }): BiasCell[] => {
    const satisfaction = feedback?.satisfaction ?? null
    if (Number(keys[1]) === 0 || feedback === undefined || satisfaction === null) return []
    const { scored } = feedback
    return [
      {
        measure: 'satisfaction',
        group: nameOf(labels[0] ?? null),
        user: Number(keys[1]),
        stratum: undefined,
        part: satisfaction * scored,
        whole: scored,
      },
    ]
  })
}

function nameOf(label: Key): string {
  return label === null ? NONE : String(label)
}
