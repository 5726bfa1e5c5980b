import { durationBucket } from '@spanledger/store'

import type { DimensionReader, KeyLists } from './dimension-reader.ts'
import { Durations } from '../sums/durations.ts'
import { nameOf, type Counted, type Found } from './found-groups.ts'
import type { SumName } from '../sums/group.ts'
import type { KindFlags } from './kind-flags.ts'
import type { Key } from '../plan/scope.ts'
import { UserSet } from '../sums/user-set.ts'

/** Columns of some calls. */
export interface CallColumns {
  readonly length: number
  /** By dimension; see `DimensionReader`. */
  readonly keys: readonly KeyLists[]
  readonly of: (column: string) => readonly (number | null)[]
}

/** The columns that what is counted is counted from. */
export function columnsFor({ sums, users, durations }: Omit<Counted, 'dimensions'>): ReadonlySet<string> {
  const columns = sums.flatMap((name) => (name === 'requests' ? [] : [columnOfSum(name) ?? 'kind_id']))
  return new Set([...columns, ...(users ? ['user_id'] : []), ...durations.map((name) => `${name}_ms`)])
}

/** The column that a sum adds up; undefined where it counts calls of some kinds. */
function columnOfSum(name: SumName): string | undefined {
  if (name === 'latency_ms_sum') return 'latency_ms'
  if (name === 'unpriced_requests') return 'cost_nano_usd'
  return name === 'cost_nano_usd' || name === 'web_searches' || name.endsWith('_tokens') ? name : undefined
}

/** Adds calls up by group, a column at a time. */
export class CallSums {
  readonly #counted: Counted
  readonly #flags: KindFlags
  /** By level, the groups of the first dimensions: the group before and the position of the key, as one number. */
  readonly #levels: Map<number, number>[]
  /** The positions of each group's keys. */
  readonly #groups: (readonly number[])[] = []
  readonly #sums: ReadonlyMap<SumName, number[]>
  readonly #costsBeyond = new Map<number, bigint>()
  readonly #users: UserSet[] = []
  readonly #durations: ReadonlyMap<'latency' | 'ttft', Durations[]>

  constructor(counted: Counted, flags: KindFlags) {
    this.#counted = counted
    this.#flags = flags
    this.#levels = counted.dimensions.map(() => new Map())
    this.#sums = new Map(counted.sums.map((name) => [name, []]))
    this.#durations = new Map(counted.durations.map((name) => [name, []]))
    // Without dimensions there is one group, of no calls too.
    if (counted.dimensions.length === 0) this.#begin([])
  }

  add(calls: CallColumns, readers: readonly DimensionReader[]): void {
    const groupOf = this.#groupsOf(calls, readers)
    for (const [name, sums] of this.#sums) this.#addSum(name, sums, { calls, groupOf })
    for (const [name, durations] of this.#durations) {
      const list = calls.of(`${name}_ms`)
      for (let n = 0; n < list.length; n++) {
        const ms = list[n] ?? null
        if (ms !== null) durations[groupOf[n] ?? 0]?.add(durationBucket(ms), 1)
      }
    }
    if (!this.#counted.users) return
    const users = calls.of('user_id')
    for (let n = 0; n < users.length; n++) if (users[n] !== 0) this.#users[groupOf[n] ?? 0]?.addOne(users[n] ?? 0)
  }

  found(readers: readonly DimensionReader[], labels: readonly (readonly Key[])[]): Found {
    const found: Found = new Map()
    for (const [group, positions] of this.#groups.entries()) {
      const keys = positions.map((position, n) => readers[n]?.keys[position] ?? null)
      const sums = new Map([...this.#sums].filter(([name]) => name !== 'cost_nano_usd').map(([name, all]) => [name, all[group] ?? 0]))
      const cost = this.#sums.get('cost_nano_usd')?.[group] ?? 0
      found.set(nameOf(keys), {
        keys,
        labels: positions.map((position, n) => labels[n]?.[position] ?? null),
        group: {
          sums,
          costNanoUsd: (this.#costsBeyond.get(group) ?? 0n) + BigInt(cost),
          ...(this.#counted.users ? { userSet: this.#users[group] ?? new UserSet() } : {}),
          ...Object.fromEntries([...this.#durations].map(([name, all]) => [name, all[group]])),
        },
      })
    }
    return found
  }

  #groupsOf(calls: CallColumns, readers: readonly DimensionReader[]): Int32Array {
    const groupOf = new Int32Array(calls.length)
    const positions: number[] = []
    for (let n = 0; n < calls.length; n++) {
      let group = 0
      for (let level = 0; level < readers.length; level++) {
        const position = readers[level]?.positionAt(calls.keys[level] ?? [], n) ?? 0
        positions[level] = position
        const groups = this.#levels[level]
        const code = group * 2 ** 26 + position
        let next = groups?.get(code)
        if (next === undefined) {
          next = level === readers.length - 1 ? this.#begin(positions.slice()) : (groups?.size ?? 0)
          groups?.set(code, next)
        }
        group = next
      }
      groupOf[n] = group
    }
    return groupOf
  }

  #begin(positions: readonly number[]): number {
    for (const sums of this.#sums.values()) sums.push(0)
    for (const durations of this.#durations.values()) durations.push(new Durations())
    if (this.#counted.users) this.#users.push(new UserSet())
    return this.#groups.push(positions) - 1
  }

  #addSum(name: SumName, sums: number[], { calls, groupOf }: { calls: CallColumns; groupOf: Int32Array }): void {
    const flags = this.#flags.get(name)
    const list = name === 'requests' ? undefined : calls.of(columnOfSum(name) ?? 'kind_id')
    for (let n = 0; n < calls.length; n++) {
      const group = groupOf[n] ?? 0
      const value = list?.[n] ?? null
      const added =
        list === undefined
          ? 1
          : flags !== undefined
            ? (flags[value ?? 0] ?? 0)
            : name === 'unpriced_requests'
              ? Number(value === null)
              : (value ?? 0)
      const before = sums[group] ?? 0
      sums[group] = before + added
      if (name === 'cost_nano_usd' && !Number.isSafeInteger(sums[group])) {
        this.#costsBeyond.set(group, (this.#costsBeyond.get(group) ?? 0n) + BigInt(before))
        sums[group] = added
      }
    }
  }
}
