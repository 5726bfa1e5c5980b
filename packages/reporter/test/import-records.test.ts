import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { csvColumns, fieldsOfRow } from '../src/import/fields.ts'
import type { Framing } from '../src/import/find-end.ts'
import { MAX_RECORD_BYTES, rawRecords, type Place, type RawRecord } from '../src/import/raw-records.ts'
import { readCsvRecords } from '../src/import/read-record.ts'
import { isRefusal } from '../src/import/refusal.ts'
import { localTimes, readTime } from '../src/import/read-time.ts'

const begin: Place = { offset: 0, line: 1 }

async function recordsOf(
  text: string | Buffer,
  framing: Framing,
  { pieces = [text.length], start = begin }: { pieces?: readonly number[]; start?: Place } = {},
): Promise<RawRecord[]> {
  const bytes = Buffer.from(text)
  async function* inPieces(): AsyncGenerator<Buffer> {
    await Promise.resolve()
    for (let at = start.offset, n = 0; at < bytes.length; n++) {
      const length = Math.max(pieces[n % pieces.length] ?? 1, 1)
      yield bytes.subarray(at, at + length)
      at += length
    }
  }
  const found: RawRecord[] = []
  for await (const records of rawRecords(inPieces(), { framing, delimiter: ',' }, start)) found.push(...records)
  return found
}

const texts = (records: readonly RawRecord[]): (string | undefined)[] => records.map(({ bytes }) => bytes?.toString())

const cell = fc.oneof(fc.string(), fc.constantFrom('', 'a "b" c', 'x\ny', 'x\r\ny', ',', '"', '__proto__', 'grüße'))
const written = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

describe('the records of a file', () => {
  it('are the lines, values and rows that were written, whatever pieces they are read in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), { maxLength: 8 }),
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom(0, 1, 2),
        async (objects, rows, pieces, newline, indent) => {
          const asLines = objects.map((one) => JSON.stringify(one) + newline).join('')
          expect(texts(await recordsOf(asLines, 'lines', { pieces }))).toEqual(objects.map((one) => JSON.stringify(one)))
          const parsed = texts(await recordsOf(JSON.stringify(objects, null, indent), 'values', { pieces })).map(
            (text) => JSON.parse(text ?? '') as unknown,
          )
          expect(parsed).toEqual(JSON.parse(JSON.stringify(objects)))
          const full = rows.filter((row) => row.some((text) => text !== ''))
          const table = full.map((row) => row.map(written).join(',') + newline).join('')
          const columns = csvColumns(['a', 'b', 'c'])
          const read = readCsvRecords(columns, ',')(await recordsOf(table, 'csv', { pieces }))
          const cellsOf = (fields: (typeof read)[number]): unknown =>
            isRefusal(fields) ? fields : columns.names.map((name) => fields.get(name))
          expect(read.map(cellsOf)).toEqual(full.map((row) => cellsOf(fieldsOfRow(columns, row))))
        },
      ),
    )
  })

  it('begin where the one before ends, so reading goes on from any of them', async () => {
    const files: readonly (readonly [string, Framing])[] = [
      ['{"a":1}\n\n{"a":"x\\ny"}\n{"a":3}', 'lines'],
      ['[\n  {"a": [1, "]"]},\n  {"a": "\\"}"}, {"a": 3}\n]\n', 'values'],
      ['1,"x\n""y""",3\r\n4,5,6\r\n7,8,9', 'csv'],
    ]
    for (const [text, framing] of files) {
      const all = await recordsOf(text, framing)
      expect(all).toHaveLength(3)
      for (const [n, record] of all.entries()) {
        const rest = await recordsOf(text, framing, { start: record.to })
        expect(texts(rest)).toEqual(texts(all.slice(n + 1)))
        expect(rest.map(({ line }) => line)).toEqual(all.slice(n + 1).map(({ line }) => line))
      }
    }
  })

  it('know the line on which they begin', async () => {
    expect((await recordsOf('{"a":1}\n\n\n{"a":2}\n', 'lines')).map(({ line }) => line)).toEqual([1, 4])
    expect((await recordsOf('[\n{"a":1},\n\n{"a":\n2}, 3]', 'values')).map(({ line }) => line)).toEqual([2, 4, 5])
    expect((await recordsOf('"a\n\nb"\nc\n', 'csv')).map(({ line }) => line)).toEqual([1, 4])
  })

  it('that are longer than 32 MiB are passed over, and the next is read', async () => {
    const long = Buffer.alloc(MAX_RECORD_BYTES + 1, 'x')
    const inLines = await recordsOf(Buffer.concat([Buffer.from('{"a":1}\n'), long, Buffer.from('\n{"a":2}\n')]), 'lines', {
      pieces: [1 << 20],
    })
    expect(texts(inLines)).toEqual(['{"a":1}', undefined, '{"a":2}'])
    // A quote that is never closed swallows 32 MiB, not the rest of the file.
    const inRows = await recordsOf(Buffer.concat([Buffer.from('1,2\n3,"'), long, Buffer.from('\n5,6\n')]), 'csv', { pieces: [1 << 20] })
    expect(texts(inRows)).toEqual(['1,2', undefined, '5,6'])
    expect(inRows.map(({ line }) => line)).toEqual([1, 2, 3])
  })

  it('of CSV are not swallowed by a quote inside a text', async () => {
    expect(texts(await recordsOf('1,5" disk,x\n2,b,c\n', 'csv'))).toEqual(['1,5" disk,x', '2,b,c'])
  })
})

describe('a time', () => {
  const at = Date.UTC(2026, 0, 5, 9, 30, 15, 250)
  const berlin = localTimes('Europe/Berlin')
  const read = (value: unknown, format: 'auto' | 'iso' | 's' | 'ms' = 'auto'): number | undefined =>
    readTime(value, { format, zone: berlin })

  it.each([
    ['2026-01-05T09:30:15.250Z'],
    ['2026-01-05 09:30:15.25+00:00'],
    ['2026-01-05T10:30:15,250+01'],
    ['2026-01-05T04:00:15.250-0530'],
    ['2026-01-05 09:30:15.250 UTC'],
    ['2026-01-05T10:30:15.250'],
    ['2026-01-05 10:30:15.250000'],
    ['1767605415.25'],
    ['1767605415250'],
    ['1767605415250000'],
    ['1767605415250000000'],
    [1767605415.25],
    [1767605415250],
  ])('is read from %s', (value) => expect(read(value)).toBeCloseTo(at, 2))

  it('of a clock that goes forward or back is the later, or the first', () => {
    expect(read('2026-03-29T02:30:00')).toBe(Date.UTC(2026, 2, 29, 1, 30))
    expect(read('2026-10-25T02:30:00')).toBe(Date.UTC(2026, 9, 25, 0, 30))
    expect(read('2026-07-01')).toBe(Date.UTC(2026, 5, 30, 22))
    expect(readTime('2026-01-05T10:00:00', { format: 'auto', zone: localTimes('Asia/Kathmandu') })).toBe(Date.UTC(2026, 0, 5, 4, 15))
  })

  it.each([
    ['05/01/2026 10:00'],
    ['2026-02-30T10:00:00Z'],
    ['2026-13-01'],
    ['yesterday'],
    [''],
    [undefined],
    [true],
    ['2026-01-05T25:00:00Z'],
    ['NaN'],
  ])('is not read from %s', (value) => expect(read(value)).toBeUndefined())

  it('is read in the format that was said only', () => {
    expect(read('1767605415', 'ms')).toBe(1767605415)
    expect(read('1767605415', 'iso')).toBeUndefined()
    expect(read('2026-01-05T09:30:15Z', 's')).toBeUndefined()
  })
})
