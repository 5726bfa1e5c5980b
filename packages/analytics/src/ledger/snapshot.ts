import { AsyncLocalStorage } from 'node:async_hooks'

import type { Store } from '@spanledger/store'

type Statement = { readonly text: string; readonly values: readonly (string | number | null)[] }

/** The store on whose one state the work that is running reads. */
const open = new AsyncLocalStorage<Store>()

/** The turn of each store: its readers share one connection, and so one transaction. */
const turns = new WeakMap<Store, Promise<unknown>>()

/**
 * Runs several readings on one state of the ledger: without it a call committed between two of them would stand in the
 * totals and not in the rows. Within such a run another one is on the same state.
 */
export async function onSnapshot<Result>(given: Store, read: () => Promise<Result>): Promise<Result> {
  const store = originals.get(given) ?? given
  if (open.getStore() === store) return read()
  const work = (): Promise<Result> => open.run(store, read)
  // A ledger in memory has one connection, on which writes hold transactions of their own.
  if (store.path === ':memory:') return work()
  const turn = (turns.get(store) ?? Promise.resolve()).then(async () => {
    await store.all('BEGIN')
    try {
      return await work()
    } finally {
      await store.all('COMMIT')
    }
  })
  turns.set(
    store,
    turn.catch(() => undefined),
  )
  return turn
}

/** The rows of a statement that answers with one JSON text: the driver pays per value, a text is one. */
export async function readRows<Row>(store: Store, statement: Statement): Promise<Row[]> {
  const [row] = await store.all<{ rows: string }>(statement.text, ...statement.values)
  return JSON.parse(row?.rows ?? '[]') as Row[]
}

/**
 * The columns of a statement that answers with one JSON list a column. A list of lists in one text would cost SQLite twice
 * the time.
 */
export async function readColumns<Value = number>(store: Store, statement: Statement): Promise<Value[][]> {
  const [row] = await store.all<Record<string, string>>(statement.text, ...statement.values)
  return Object.values(row ?? {}).map((list) => JSON.parse(list) as Value[])
}

/** Characters of answers that are kept. What comes on top is read again. */
const MAX_KEPT = 128 * 1024 * 1024
const originals = new WeakMap<Store, Store>()

/** The same store, but that a question which comes again is answered from memory: for several reports over one state of it. */
export function readingOnce(store: Store): Store {
  const answers = new Map<string, readonly object[]>()
  let kept = 0
  const all = async (text: string, ...values: Parameters<Store['all']> extends [string, ...infer Values] ? Values : never) => {
    if (!/^\s*(?:SELECT|WITH)\b/.test(text)) return store.all<object>(text, ...values)
    const key = JSON.stringify([text, values])
    const known = answers.get(key)
    const rows = known ?? (await store.all<object>(text, ...values))
    const size = known === undefined ? key.length + rows.reduce((sum, row) => sum + sizeOf(row), 0) : Number.POSITIVE_INFINITY
    if (kept + size <= MAX_KEPT) {
      kept += size
      answers.set(key, rows)
    }
    // Whoever sorts or fills what it has read must not do so for all.
    return rows.map((row) => Object.assign({}, row))
  }
  const once = new Proxy(store, {
    get: (target, name) => {
      if (name === 'all') return all
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  originals.set(once, store)
  return once
}

function sizeOf(row: object): number {
  return Object.values(row).reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 8), 0)
}
