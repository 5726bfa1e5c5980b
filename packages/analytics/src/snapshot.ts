import { AsyncLocalStorage } from 'node:async_hooks'

import type { Store } from '@spanledger/store'

type Statement = { readonly text: string; readonly values: readonly (string | number | null)[] }

/** One state of a ledger, while it is read. */
interface Snapshot {
  readonly store: Store
  /** What statements have answered; undefined where that is not kept. */
  readonly answers: Map<string, Record<string, string> | undefined> | undefined
  kept: number
}

const open = new AsyncLocalStorage<Snapshot>()

/** The turn of each store: its readers share one connection, and so one transaction. */
const turns = new WeakMap<Store, Promise<unknown>>()

/**
 * Runs several readings on one state of the ledger: without it a call committed between two of them would stand in the
 * totals and not in the rows. Within such a run another one is on the same state. With `readOnce` a statement that comes
 * again is answered from memory.
 */
export async function onSnapshot<Result>(
  store: Store,
  read: () => Promise<Result>,
  { readOnce = false }: { readonly readOnce?: boolean } = {},
): Promise<Result> {
  if (open.getStore()?.store === store) return read()
  const work = (): Promise<Result> => open.run({ store, answers: readOnce ? new Map() : undefined, kept: 0 }, read)
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
  const row = await firstRow(store, statement)
  return JSON.parse(row?.['rows'] ?? '[]') as Row[]
}

/**
 * The columns of a statement that answers with one JSON list a column. A list of lists in one text would cost SQLite twice
 * the time.
 */
export async function readColumns<Value = number>(store: Store, statement: Statement): Promise<Value[][]> {
  const row = await firstRow(store, statement)
  return Object.values(row ?? {}).map((list) => JSON.parse(list) as Value[])
}

/** Characters of answers that one snapshot keeps. What comes on top is read again. */
const MAX_KEPT = 128 * 1024 * 1024

async function firstRow(store: Store, { text, values }: Statement): Promise<Record<string, string> | undefined> {
  const snapshot = open.getStore()
  const answers = snapshot?.store === store ? snapshot.answers : undefined
  const key = answers === undefined ? '' : JSON.stringify([text, values])
  if (answers?.has(key) === true) return answers.get(key)
  const [row] = await store.all<Record<string, string>>(text, ...values)
  if (snapshot === undefined || answers === undefined) return row
  const size = key.length + Object.values(row ?? {}).reduce((sum, list) => sum + String(list).length, 0)
  if (snapshot.kept + size <= MAX_KEPT) {
    snapshot.kept += size
    answers.set(key, row)
  }
  return row
}
