/** What went wrong with a ledger file, for callers that must choose what to do next. */
export type StoreErrorKind =
  /** Another connection held the write lock for longer than the busy timeout. Try again. */
  | 'busy'
  /** No space left. Try again when there is. */
  | 'full'
  /** The file or its folder may not be written. */
  | 'read_only'
  /** The path is a folder, its folder does not exist, or it may not be opened. */
  | 'cannot_open'
  /** The file is no SQLite file, or a damaged one. */
  | 'not_a_ledger'
  /** A newer version of Spanledger wrote the file. */
  | 'newer_version'
  /** An older version wrote the file, and it was opened for reading only. */
  | 'older_version'
  /** What was asked for is not possible with what the ledger holds; the message says why. */
  | 'refused'
  /** The sqlite3 package has no binary for this machine. */
  | 'no_binding'
  | 'closed'
  | 'other'

/** The one error of this package: what was given, what is wrong with it, what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly kind: StoreErrorKind

  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }

  /** Whether the same write may succeed later without anybody changing anything but time and space. */
  get retryable(): boolean {
    return this.kind === 'busy' || this.kind === 'full'
  }

  /** Whether what was to be written is at fault: then no ledger takes it, while this one may take all else. */
  get isOfValues(): boolean {
    const { code } = (this.cause ?? {}) as { code?: unknown }
    if (code === undefined) return this.cause instanceof RangeError || this.cause instanceof TypeError
    return typeof code === 'string' && codesOfValues.has(code)
  }
}

/** SQLite refuses a value with these; with any other that is not named below either (no memory, a missing table), itself. */
const codesOfValues: ReadonlySet<string> = new Set(['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG'])

const kindByCode: Readonly<Record<string, StoreErrorKind>> = {
  SQLITE_BUSY: 'busy',
  SQLITE_LOCKED: 'busy',
  SQLITE_FULL: 'full',
  SQLITE_IOERR: 'full',
  SQLITE_READONLY: 'read_only',
  SQLITE_CANTOPEN: 'cannot_open',
  SQLITE_PERM: 'cannot_open',
  SQLITE_NOTADB: 'not_a_ledger',
  SQLITE_CORRUPT: 'not_a_ledger',
  SQLITE_MISUSE: 'closed',
}

const advice: Readonly<Record<StoreErrorKind, string>> = {
  busy: 'another process is writing to it; try again',
  full: 'there is no space left for it; free some and try again',
  read_only: 'it may not be written; check the owner and the mode of the file and its folder',
  cannot_open: 'it cannot be opened; the path must name a file in an existing folder',
  not_a_ledger: 'it is not a Spanledger file, or it is damaged; name another path, or restore a backup',
  newer_version: 'a newer version of Spanledger wrote it; update Spanledger',
  older_version: 'an older version of Spanledger wrote it; open it for writing once',
  refused: 'it does not hold what was asked for',
  no_binding: 'the sqlite3 package has no binary for this machine; allow its install script and run: npm rebuild sqlite3',
  closed: 'the store is closed',
  other: 'SQLite refused',
}

/** What SQLite threw, as a StoreError that names the file and what to do. */
export function toStoreError(cause: unknown, path: string): StoreError {
  if (cause instanceof StoreError) return cause
  const { code, message } = cause as { code?: string; message?: string }
  const kind = kindByCode[code ?? ''] ?? 'other'
  return new StoreError(kind, `Ledger "${path}": ${advice[kind]} (${message ?? String(cause)}).`, { cause })
}
