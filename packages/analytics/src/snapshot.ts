import type { Store } from '@spanledger/store'

/** The turn of each store: its readers share one connection, and so one transaction. */
const turns = new WeakMap<Store, Promise<unknown>>()

/**
 * Runs several readings on one state of the ledger: without it a call committed between two of them would stand in the
 * totals and not in the rows.
 */
export async function onSnapshot<Result>(store: Store, work: () => Promise<Result>): Promise<Result> {
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
export async function readRows<Row>(
  store: Store,
  { text, values }: { text: string; values: readonly (string | number | null)[] },
): Promise<Row[]> {
  const [row] = await store.all<{ rows: string }>(text, ...values)
  return JSON.parse(row?.rows ?? '[]') as Row[]
}

/**
 * The columns of a statement that answers with one JSON list a column. A list of lists in one text would cost SQLite twice
 * the time.
 */
export async function readColumns<Value = number>(
  store: Store,
  { text, values }: { text: string; values: readonly (string | number | null)[] },
): Promise<Value[][]> {
  const [row] = await store.all<Record<string, string>>(text, ...values)
  return Object.values(row ?? {}).map((list) => JSON.parse(list) as Value[])
}
