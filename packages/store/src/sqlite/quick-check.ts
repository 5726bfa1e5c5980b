import type { Sqlite } from './sqlite.ts'
import { StoreError } from './store-error.ts'

export interface QuickCheckOptions {
  /** After this long no further table is looked at. */
  readonly withinMs: number
  readonly onProgress?: ((progress: { readonly done: number; readonly of: number }) => void) | undefined
}

export interface QuickCheck {
  readonly tables: number
  /** How many of them were looked at, in the order of their names. */
  readonly lookedAt: number
  /** What SQLite says is damaged; a few of it. */
  readonly damage: readonly string[]
}

const FEW = 5

/**
 * Whether the pages of the file hang together, without comparing tables with their indexes and with each other, as `verify` does: it
 * reads every page of a table, which takes a second for some hundred MB.
 */
export async function quickCheck(db: Sqlite, { withinMs, onProgress }: QuickCheckOptions): Promise<QuickCheck> {
  const endMs = Date.now() + withinMs
  const damage: string[] = []
  let names: string[] = []
  let lookedAt = 0
  try {
    const tables = await db.all<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name`)
    names = tables.map(({ name }) => name)
    for (const name of names) {
      if (Date.now() > endMs) break
      const rows = await db.all<Record<string, string>>(`PRAGMA quick_check("${name}")`)
      damage.push(...rows.flatMap((row) => Object.values(row)).filter((line) => line !== 'ok'))
      lookedAt++
      onProgress?.({ done: lookedAt, of: names.length })
    }
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'not_a_ledger')) throw error
    damage.push(error.message)
  }
  return { tables: names.length, lookedAt, damage: damage.slice(0, FEW) }
}
