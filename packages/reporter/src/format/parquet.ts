import type { Cell, Column, Row } from '@spanledger/analytics'
import { ByteWriter, ParquetWriter, type ColumnSource, type SchemaElement } from 'hyparquet-writer'

/** Rows written as one Parquet file, in steps: each step is a row group, so that a file of any size is written in constant memory. */
export interface ParquetRows {
  write(rows: readonly Row[]): Promise<void>
  /** Writes the end of the file, without which it cannot be read. */
  end(): Promise<void>
}

/** How the values of a type of column are kept. Money stays exact: nano-USD as a decimal of nine places. */
const kinds = {
  string: { element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' }, value: String },
  int: { element: { type: 'INT64' }, value: (cell) => BigInt(Number(cell)) },
  number: { element: { type: 'DOUBLE' }, value: Number },
  rate: { element: { type: 'DOUBLE' }, value: Number },
  ms: { element: { type: 'DOUBLE' }, value: Number },
  s: { element: { type: 'DOUBLE' }, value: Number },
  usd: {
    element: { type: 'INT64', converted_type: 'DECIMAL', scale: 9, precision: 18 },
    value: (cell) => BigInt(String(cell).replace('.', '')),
  },
  bool: { element: { type: 'BOOLEAN' }, value: Boolean },
  date: { element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' }, value: String },
  counts: { element: { type: 'BYTE_ARRAY', converted_type: 'JSON' }, value: (cell) => JSON.stringify(cell) },
  time: { element: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' }, value: (cell) => BigInt(Date.parse(String(cell))) },
} as const satisfies Record<
  string,
  { element: Omit<SchemaElement, 'name'>; value: (cell: Exclude<Cell, null>) => string | number | bigint | boolean }
>

/** `out` is given the bytes of the file, in order. */
export function parquetRows(columns: readonly Column[], out: (bytes: Uint8Array) => Promise<void>): ParquetRows {
  const schema: SchemaElement[] = [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ key, type }) => ({ name: key, repetition_type: 'OPTIONAL' as const, ...kinds[type].element })),
  ]
  const bytes = new PassedOn(out)
  const writer = new ParquetWriter({ writer: bytes, schema, createdBy: 'spanledger' })
  return {
    write: async (rows) => {
      if (rows.length === 0) return
      await writer.write({ columnData: columns.map((column) => columnOf(column, rows)), rowGroupSize: rows.length })
    },
    end: async () => {
      await writer.finish()
      await bytes.flush()
    },
  }
}

function columnOf({ key, type }: Column, rows: readonly Row[]): ColumnSource {
  const { value } = kinds[type]
  const valueOf = (cell: Cell | undefined): string | number | bigint | boolean | undefined =>
    cell === null || cell === undefined ? undefined : value(cell)
  return { name: key, data: rows.map((row) => valueOf(row[key])) }
}

/** Collects what the library writes and passes it on after each row group. */
class PassedOn extends ByteWriter {
  readonly #out: (bytes: Uint8Array) => Promise<void>

  constructor(out: (bytes: Uint8Array) => Promise<void>) {
    super()
    this.#out = out
  }

  async flush(): Promise<void> {
    const taken = this.getBytes().slice()
    this.index = 0
    await this.#out(taken)
  }
}
