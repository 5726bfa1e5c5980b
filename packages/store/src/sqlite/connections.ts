import { openSqlite, type Sqlite, type SqliteValue } from './sqlite.ts'
import { StoreError, toStoreError } from './store-error.ts'

/** The connections of an open ledger: one that writes, whose work is done one after the other, and one that reads. */
export interface Connections {
  readonly db: Sqlite
  /**
   * Runs work in a transaction of its own. What it needs may be made ready meanwhile: the transactions asked for before run beside
   * that, and those asked for later wait. @throws StoreError also where the ledger is closed, or open for reading only
   */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result>
  inTurn<Ready, Result>(work: (ready: Ready) => Promise<Result>, ready: Promise<Ready>): Promise<Result>
  /** Runs work on the writing connection after the transactions asked for before, in none. */
  afterwards<Result>(work: () => Promise<Result>): Promise<Result>
  /** Queries see what was committed when they run. */
  all<Row>(sql: string, ...values: SqliteValue[]): Promise<Row[]>
  /** Waits for the work asked for before. */
  close(): Promise<void>
}

export interface ConnectionOptions {
  readonly path: string
  readonly readOnly?: boolean | undefined
  /** What a connection that reads is told first. */
  readonly readingPragmas: string
  /** After a transaction that was taken back. */
  readonly rolledBack: () => void
}

export function openConnections(db: Sqlite, { path, readOnly = false, readingPragmas, rolledBack }: ConnectionOptions): Connections {
  let tail: Promise<unknown> = Promise.resolve()
  let closed: Promise<void> | undefined
  let reader: Promise<Sqlite> | undefined

  /** Queries get a connection of their own, so that they see committed calls only and writes do not wait for them. */
  const reading = (): Promise<Sqlite> => {
    if (readOnly || path === ':memory:') return Promise.resolve(db)
    reader ??= openSqlite(path, 'read').then(async (opened) => {
      await opened.exec(readingPragmas)
      return opened
    })
    return reader
  }
  const closeAll = async (lastWork: Promise<unknown>): Promise<void> => {
    await lastWork
    await (await reader)?.close()
    await db.close()
  }
  const afterwards = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = tail.then(work)
    tail = turn.catch(() => undefined)
    return turn
  }
  const closedError = (): StoreError => new StoreError('closed', `Ledger "${path}" is closed.`)
  return {
    db,
    afterwards,
    inTurn: <Ready, Result>(work: (ready?: Ready) => Promise<Result>, ready?: Promise<Ready>) => {
      ready?.catch(() => undefined) // Thrown when its turn comes; until then it only must not count as unhandled.
      if (closed !== undefined) return Promise.reject(closedError())
      if (readOnly) return Promise.reject(new StoreError('read_only', `Ledger "${path}" was opened for reading only.`))
      return afterwards(async () => {
        const isReady = await ready?.catch((error: unknown) => {
          throw toStoreError(error, path)
        })
        return db
          .transaction(() => work(isReady))
          .catch((error: unknown) => {
            rolledBack()
            throw toStoreError(error, path)
          })
      })
    },
    all: async <Row>(sql: string, ...values: SqliteValue[]) => {
      if (closed !== undefined) throw closedError()
      // A file in memory has one connection only, so there a query waits its turn.
      if (path === ':memory:') return afterwards(() => db.all<Row>(sql, ...values))
      return (await reading()).all<Row>(sql, ...values)
    },
    close: () => {
      closed ??= closeAll(tail)
      return closed
    },
  }
}
