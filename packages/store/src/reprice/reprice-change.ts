import type { SqliteValue } from '../sqlite/sqlite.ts'

/** What other costs mean for a set of calls that count. Sums are over the calls whose cost changed. */
export interface CostChange {
  readonly callsChanged: number
  readonly newlyPriced: number
  readonly newlyUnpriced: number
  readonly costBeforeNanoUsd: bigint
  readonly costAfterNanoUsd: bigint
}

export interface UserChange extends CostChange {
  /** `(none)` for calls without a user. */
  readonly user: string
}

export interface ModelChange extends CostChange {
  readonly provider: string
  readonly model: string
}

/** A call that gets another cost. */
export interface ChangedCost {
  readonly userId: number
  readonly modelId: number
  readonly before: number | null
  readonly after: number | null
}

type Sums = { -readonly [Key in keyof CostChange]: CostChange[Key] }

/** Adds up changed costs: in all, by user, by model. */
export interface ChangeSums {
  readonly total: CostChange
  add(changed: ChangedCost): void
  /** The sums with the names of users and models, the largest difference first. */
  named(all: Reader): Promise<{ users: UserChange[]; models: ModelChange[] }>
}

export type Reader = <Row>(sql: string, ...values: SqliteValue[]) => Promise<Row[]>

export function openChangeSums(): ChangeSums {
  const total = noChange()
  const users = new Map<number, Sums>()
  const models = new Map<number, Sums>()
  return {
    total,
    add: (changed) => {
      for (const sums of [total, sumsOf(users, changed.userId), sumsOf(models, changed.modelId)]) addTo(sums, changed)
    },
    named: async (all) => {
      const userNames = await all<{ id: number; name: string }>(
        'SELECT user_id AS id, name FROM users WHERE user_id IN (SELECT value FROM json_each(?))',
        JSON.stringify([...users.keys()]),
      )
      const modelNames = await all<{ id: number; provider: string; model: string }>(
        'SELECT model_id AS id, provider, model FROM models WHERE model_id IN (SELECT value FROM json_each(?))',
        JSON.stringify([...models.keys()]),
      )
      return {
        users: userNames.map(({ id, name }) => toUserChange(name, sumsOf(users, id))).sort(byDifference),
        models: mergeModels(modelNames.map((name) => toModelChange(name, sumsOf(models, name.id)))).sort(byDifference),
      }
    },
  }
}

function toUserChange(user: string, sums: CostChange): UserChange {
  return { user, ...sums }
}

function toModelChange({ provider, model }: { provider: string; model: string }, sums: CostChange): ModelChange {
  return { provider, model, ...sums }
}

function noChange(): Sums {
  return { callsChanged: 0, newlyPriced: 0, newlyUnpriced: 0, costBeforeNanoUsd: 0n, costAfterNanoUsd: 0n }
}

function sumsOf(byId: Map<number, Sums>, id: number): Sums {
  let sums = byId.get(id)
  if (sums === undefined) byId.set(id, (sums = noChange()))
  return sums
}

function addTo(sums: Sums, { before, after }: ChangedCost): void {
  sums.callsChanged++
  if (before === null) sums.newlyPriced++
  if (after === null) sums.newlyUnpriced++
  sums.costBeforeNanoUsd += BigInt(before ?? 0)
  sums.costAfterNanoUsd += BigInt(after ?? 0)
}

/** One row for a model that was asked for under several names. */
function mergeModels(changes: readonly ModelChange[]): ModelChange[] {
  const merged = new Map<string, ModelChange>()
  for (const change of changes) {
    const key = JSON.stringify([change.provider, change.model])
    const same = merged.get(key)
    merged.set(key, same === undefined ? change : { ...change, ...sumOf(same, change) })
  }
  return [...merged.values()]
}

function sumOf(a: CostChange, b: CostChange): CostChange {
  return {
    callsChanged: a.callsChanged + b.callsChanged,
    newlyPriced: a.newlyPriced + b.newlyPriced,
    newlyUnpriced: a.newlyUnpriced + b.newlyUnpriced,
    costBeforeNanoUsd: a.costBeforeNanoUsd + b.costBeforeNanoUsd,
    costAfterNanoUsd: a.costAfterNanoUsd + b.costAfterNanoUsd,
  }
}

function byDifference(a: UserChange | ModelChange, b: UserChange | ModelChange): number {
  const [first, second] = [difference(a), difference(b)]
  if (first !== second) return first > second ? -1 : 1
  return nameOf(a) < nameOf(b) ? -1 : 1
}

function difference({ costBeforeNanoUsd, costAfterNanoUsd }: CostChange): bigint {
  const signed = costAfterNanoUsd - costBeforeNanoUsd
  return signed < 0n ? -signed : signed
}

function nameOf(change: UserChange | ModelChange): string {
  return 'user' in change ? change.user : `${change.provider} ${change.model}`
}
