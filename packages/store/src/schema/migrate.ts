import { migrations } from './schema.ts'
import { spanNumbersSchema } from '../traces/span-keys-schema.ts'
import { keySpanRows } from '../traces/span-rows.ts'
import type { Sqlite } from '../sqlite/sqlite.ts'
import { StoreError } from '../sqlite/store-error.ts'

/** Marks a SQLite file as a ledger ("SPLD" in ASCII): the header field that SQLite keeps for applications. */
const APPLICATION_ID = 0x53504c44

/** The version this code writes. */
const SCHEMA_VERSION = migrations.length

/**
 * Brings a file up to date, each step in a transaction with its version number; a new file gets all of them in one: each
 * transaction waits for the disk, and a collector may have to make very many ledgers.
 * @throws StoreError when the file is no ledger, or of a newer version
 */
export async function migrate(db: Sqlite, path: string): Promise<void> {
  await checkVersion(db, path)
  for (;;) {
    await db.exec('BEGIN IMMEDIATE')
    try {
      // Read again under the lock: another process may have taken the step.
      const { version } = await readHeader(db)
      const steps = version === 0 ? migrations : migrations.slice(version, version + 1)
      if (steps.length === 0) {
        await db.exec('COMMIT')
        return
      }
      for (const step of steps) await take(db, step)
      await db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + steps.length}; COMMIT`)
    } catch (error) {
      await db.exec('ROLLBACK').catch(() => undefined)
      throw error
    }
  }
}

async function take(db: Sqlite, step: string): Promise<void> {
  await db.exec(step)
  // The keys are made in code: SQL has no hash.
  if (step === spanNumbersSchema) await keySpanRows(db)
}

/**
 * Checks that a file is a ledger this code can read.
 * @throws StoreError when it is not
 */
export async function checkReadable(db: Sqlite, path: string): Promise<void> {
  await checkVersion(db, path)
  const { version } = await readHeader(db)
  if (version === 0) {
    throw new StoreError(
      'not_a_ledger',
      `"${path}" is empty: no call was ever written to it. Name another with --store, or write calls to it first.`,
    )
  }
  // A reader does not change the file: an app of the older version may still be writing it.
  if (version < SCHEMA_VERSION) {
    throw new StoreError(
      'older_version',
      `Ledger "${path}" has schema version ${version}; this Spanledger reads ${SCHEMA_VERSION}. Bring it up to date: start the app with this version, or run: spanledger verify --repair`,
    )
  }
}

/** A file that may be written: a ledger, or one that is still empty. */
async function checkVersion(db: Sqlite, path: string): Promise<void> {
  const { applicationId, version, tables } = await readHeader(db)
  if (applicationId !== APPLICATION_ID && tables > 0) {
    throw new StoreError(
      'not_a_ledger',
      `"${path}" is a SQLite file of another application. Name another path; Spanledger creates its own file.`,
    )
  }
  if (version > SCHEMA_VERSION) {
    throw new StoreError(
      'newer_version',
      `Ledger "${path}" has schema version ${version}; this Spanledger knows ${SCHEMA_VERSION}. Update Spanledger, or name another path.`,
    )
  }
}

async function readHeader(db: Sqlite): Promise<{ applicationId: number; version: number; tables: number }> {
  const [row] = await db.all<{ applicationId: number; version: number; tables: number }>(
    `SELECT (SELECT application_id FROM pragma_application_id) AS applicationId, (SELECT user_version FROM pragma_user_version) AS version,
       (SELECT count(*) FROM sqlite_schema) AS tables`,
  )
  return row ?? { applicationId: 0, version: 0, tables: 0 }
}
