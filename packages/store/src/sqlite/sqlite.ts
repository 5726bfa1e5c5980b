import { createRequire } from 'node:module'

import { StoreError, toStoreError } from './store-error.ts'

/** What is bound to a `?`. Numbers above 2^31 are only exact in columns of STRICT tables; text is always exact. */
export type SqliteValue = string | number | null

/** The part of a SQLite driver that the store uses; npm sqlite3 has it behind callbacks. Statements run one after the other. */
export interface Sqlite {
  /** Runs several statements without parameters. */
  exec(sql: string): Promise<void>
  /** Runs one statement. @returns how many rows it changed */
  run(sql: string, ...values: SqliteValue[]): Promise<number>
  all<Row>(sql: string, ...values: SqliteValue[]): Promise<Row[]>
  /**
   * Runs work in a transaction, and takes all of it back where it fails. Once a statement has failed no other is run: SQLite
   * may have rolled back by itself, and the next would be committed on its own.
   */
  transaction<Result>(work: () => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

/** The shape of npm sqlite3 6 that is used here (https://github.com/TryGhost/node-sqlite3/wiki/API, read 2026-11-20). */
interface Driver {
  readonly OPEN_READONLY: number
  readonly OPEN_READWRITE: number
  readonly OPEN_CREATE: number
  readonly Database: new (path: string, mode: number, done: (error: Error | null) => void) => DriverDatabase
}
interface DriverDatabase {
  exec(sql: string, done: (error: Error | null) => void): void
  run(sql: string, values: SqliteValue[], done: (this: { changes: number }, error: Error | null) => void): void
  all(sql: string, values: SqliteValue[], done: (error: Error | null, rows: unknown[]) => void): void
  close(done: (error: Error | null) => void): void
}

/**
 * Opens a file with npm sqlite3, whose statements run on a thread of their own.
 * @throws StoreError when the file cannot be opened or the driver is not there
 */
export async function openSqlite(path: string, mode: 'read' | 'write'): Promise<Sqlite> {
  const driver = loadDriver()
  const flags = mode === 'read' ? driver.OPEN_READONLY : driver.OPEN_READWRITE | driver.OPEN_CREATE
  const database = await new Promise<DriverDatabase>((resolve, reject) => {
    const opened: DriverDatabase = new driver.Database(path, flags, (error) => {
      if (error === null) resolve(opened)
      else reject(toStoreError(error, path))
    })
  })
  let last: Promise<unknown> = Promise.resolve()
  let inTransaction = false
  let failure: unknown
  const inOrder = <Result>(start: (done: (error: Error | null, result: Result) => void) => void): Promise<Result> => {
    const turn = last.then(() => {
      if (failure !== undefined) throw failure
      return new Promise<Result>((resolve, reject) => {
        start((error, result) => (error === null ? resolve(result) : reject(toStoreError(error, path))))
      })
    })
    last = turn.catch((error: unknown) => {
      if (inTransaction) failure ??= error
    })
    return turn
  }
  const exec = (sql: string): Promise<void> => inOrder((done) => database.exec(sql, (error) => done(error, undefined)))
  return {
    exec,
    run: (sql, ...values) =>
      inOrder<number>((done) =>
        database.run(sql, values, function ran(error) {
          done(error, error === null ? this.changes : 0)
        }),
      ),
    all: <Row>(sql: string, ...values: SqliteValue[]) =>
      inOrder<Row[]>((done) => database.all(sql, values, (error, rows) => done(error, rows as Row[]))),
    transaction: async (work) => {
      await exec('BEGIN IMMEDIATE')
      inTransaction = true
      try {
        const result = await work()
        await exec('COMMIT')
        inTransaction = false
        return result
      } catch (error) {
        inTransaction = false
        failure = undefined
        // Where SQLite has rolled back by itself (disk full), there is nothing left to roll back.
        await exec('ROLLBACK').catch(() => undefined)
        throw error
      }
    },
    close: () => inOrder((done) => database.close((error) => done(error, undefined))),
  }
}

function loadDriver(): Driver {
  try {
    return createRequire(import.meta.url)('sqlite3') as Driver
  } catch (cause) {
    throw new StoreError(
      'no_binding',
      'The sqlite3 package has no binary for this machine. Allow its install script (package.json: "allowScripts": {"sqlite3": true}) and run: npm rebuild sqlite3',
      { cause },
    )
  }
}
