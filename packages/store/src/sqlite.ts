import { createRequire } from 'node:module'

import { StoreError, toStoreError } from './store-error.ts'

/** What is bound to a `?`. Numbers above 2^31 are only exact in columns of STRICT tables; text is always exact. */
export type SqliteValue = string | number | null

/** The part of a SQLite driver that the store uses; npm sqlite3 has it behind callbacks. Statements run in order. */
export interface Sqlite {
  /** Runs several statements without parameters. */
  exec(sql: string): Promise<void>
  /** Runs one statement. @returns how many rows it changed */
  run(sql: string, ...values: SqliteValue[]): Promise<number>
  all<Row>(sql: string, ...values: SqliteValue[]): Promise<Row[]>
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
  serialize(): void
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
  // Without this, statements that are not awaited one by one may overtake each other.
  database.serialize()
  return {
    exec: (sql) =>
      new Promise((resolve, reject) => {
        database.exec(sql, (error) => (error === null ? resolve() : reject(toStoreError(error, path))))
      }),
    run: (sql, ...values) =>
      new Promise((resolve, reject) => {
        database.run(sql, values, function done(error) {
          if (error === null) resolve(this.changes)
          else reject(toStoreError(error, path))
        })
      }),
    all: <Row>(sql: string, ...values: SqliteValue[]) =>
      new Promise<Row[]>((resolve, reject) => {
        database.all(sql, values, (error, rows) => (error === null ? resolve(rows as Row[]) : reject(toStoreError(error, path))))
      }),
    close: () =>
      new Promise((resolve, reject) => {
        database.close((error) => (error === null ? resolve() : reject(toStoreError(error, path))))
      }),
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
