import { chmodSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { afterAll, describe, expect, it } from 'vitest'

import { openFile } from '../src/import/open-file.ts'
import { openRejects } from '../src/import/rejects.ts'
import { fileOf, folder, helicone, heliconeRequest, imported, lines, newLedger } from './import-kit.ts'
import { run } from './run-command.ts'

afterAll(() => rmSync(folder, { recursive: true }))

const good = JSON.stringify(heliconeRequest())
const other = JSON.stringify(heliconeRequest({ request_id: '2', request_created_at: '2026-01-06T10:00:00Z' }))

describe('of a file with something wrong in it, all else is imported', () => {
  it.each([
    ['half a line at the end', `${good}\n${other.slice(0, 80)}`, 'no_json'],
    ['half a line at the begin', `${other.slice(0, 80)}\n${good}`, 'no_json', 1],
    ['a line that is no JSON', `${good}\nhello\n`, 'no_json'],
    ['a line that is no object', `${good}\n[1,2]\n`, 'no_object'],
    ['a number', `${good}\n12\n`, 'no_object'],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from(`${good}\n{"request_id":"`), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')]),
      'not_utf8',
    ],
    ['a record without an id', `${good}\n${JSON.stringify(heliconeRequest({ request_id: null }))}\n`, 'no_id'],
    ['a record without a time', `${good}\n${JSON.stringify(heliconeRequest({ request_created_at: 'soon' }))}\n`, 'no_time'],
    [
      'a start before 1970',
      `${good}\n${JSON.stringify(heliconeRequest({ request_created_at: '1969-12-31T23:59:59Z' }))}\n`,
      'time_out_of_range',
    ],
    [
      'a start after 2199',
      `${good}\n${JSON.stringify(heliconeRequest({ request_created_at: '2200-01-01T00:00:00Z' }))}\n`,
      'time_out_of_range',
    ],
  ])('%s', async (_what, content, reason, line = 2) => {
    const { calls, tallies } = await imported([fileOf(content)])
    expect(calls).toHaveLength(1)
    expect(tallies[0]).toMatchObject({ records: 2, imported: 1, refused: 1, refusals: [{ reason, count: 1, first: [{ line }] }] })
  })

  it.each([
    ['a row with too few cells', 'request_id,request_created_at,x\na,1767607200,1\nb,1767607200\n', 'csv_cells'],
    ['a row with too many cells', 'request_id,request_created_at,x\na,1767607200,1\nb,1767607200,1,2\n', 'csv_cells'],
    ['a quote that is not closed', 'request_id,request_created_at,x\na,1767607200,1\nb,1767607200,"1\n', 'csv_quotes'],
    ['a quote inside a text', 'request_id,request_created_at,x\na,1767607200,1\nb,1767607200,5" disk\n', 'csv_quotes'],
    ['text behind a quote', 'request_id,request_created_at,x\na,1767607200,1\nb,1767607200,"5"x\n', 'csv_quotes'],
  ])('%s', async (_what, content, reason) => {
    const { calls, tallies } = await imported([fileOf(content, '.csv')])
    expect(calls).toHaveLength(1)
    expect(tallies[0]).toMatchObject({ imported: 1, refused: 1, refusals: [{ reason, first: [{ line: 3 }] }] })
  })

  it('a record of 10 MB is read, blank lines are none', async () => {
    const large = JSON.stringify(heliconeRequest({ request_id: '3', request_body: 'x'.repeat(10_000_000) }))
    expect((await imported([fileOf(`${good}\n\n  \n${large}\n${other}`)])).tallies[0]).toMatchObject({
      records: 3,
      imported: 3,
      refused: 0,
    })
  })

  it('counts that are none are refused by themselves: the call stays, with unsure usage', async () => {
    const wrong = heliconeRequest({ prompt_tokens: -5, completion_tokens: 20 })
    const fraction = heliconeRequest({ request_id: '2', prompt_tokens: 100, completion_tokens: 1.5 })
    const { calls, tallies } = await imported([fileOf(lines([wrong, fraction]))])
    expect(calls).toMatchObject([
      { usage_quality: 'partial', input_tokens: 0, output_tokens: 20 },
      { usage_quality: 'partial', input_tokens: 100, output_tokens: 0 },
    ])
    expect(tallies[0]).toMatchObject({ imported: 2, mended: { token_count_refused: 2 } })
  })

  it('members named as those of every object are read as what they are', async () => {
    const text = `{"__proto__": {"request_id": "x"}, ${good.slice(1)}\n${good.replace('"user-type":"pro"', '"__proto__":"x","constructor":"y","plan":"z"').replace('000000000001', '000000000009')}\n`
    const { calls, tallies } = await imported([fileOf(text)])
    expect(calls).toMatchObject([{ properties: '{"user_type":"pro"}' }, { properties: '{"plan":"z"}' }])
    expect(tallies[0]).toMatchObject({ imported: 2, mended: { property_key_refused: 2 } })
    expect(({} as Record<string, unknown>)['request_id']).toBeUndefined()
  })
})

describe('spanledger import', () => {
  const ask = (...args: string[]): ReturnType<typeof run> => run(['import', 'helicone', ...args, '--store', newLedger()])

  it.each([
    ['a file that is not there', () => '/nowhere/export.jsonl', 1, 'There is no file "/nowhere/export.jsonl"'],
    ['a folder', () => folder, 1, 'is a folder. Name the files in it'],
    ['a device', () => '/dev/null', 1, 'is no regular file'],
    [
      'text that is no export',
      () => fileOf('Dear reader,\nthis is a letter.\n'),
      1,
      'is neither JSON nor a table with a column request_id',
    ],
    ['text in UTF-16', () => fileOf(Buffer.from(`\uFEFF${good}`, 'utf16le')), 1, 'is text in UTF-16. Save it as UTF-8'],
    ['what only ends like a packed file', () => fileOf(good, '.gz'), 1, 'cannot be unpacked'],
    ['JSON of which nothing is a request', () => fileOf('{"a":1}\n{"a":2}\n'), 1, 'Every record of'],
  ])('says what is wrong with %s', async (_what, path, code, says) => {
    const ran = await ask(path())
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(says)])
    expect(ran.err).not.toMatch(/\n\s+at /)
  })

  it('says which file of several is wrong before it reads any', async () => {
    const store = newLedger()
    const { code, err } = await run(['import', 'helicone', fileOf(good), '/nowhere/x.jsonl', '--store', store])
    expect([code, err]).toEqual([1, expect.stringContaining('/nowhere/x.jsonl')])
    expect(() => statSync(store)).toThrow('ENOENT')
  })

  it.skipIf(process.getuid?.() === 0)('a file that may not be read is not allowed', async () => {
    const path = fileOf(good)
    chmodSync(path, 0)
    expect((await ask(path)).code).toBe(4)
  })

  it('an empty file holds no records, and neither does an empty list', async () => {
    for (const content of ['', '\n\n', '[]', '[\n]\n', 'request_id,request_created_at\n']) {
      const { code, out } = await ask(fileOf(content), '--format', 'json')
      expect([code, JSON.parse(out)]).toMatchObject([0, { totals: { records: 0, refused: 0 } }])
    }
  })

  it('keeps what it read of a packed file that breaks off', async () => {
    const requests = Array.from({ length: 3000 }, (_, n) =>
      heliconeRequest({ request_id: String(n), request_user_id: `user-${(n * 7919) % 3001}` }),
    )
    const packed = gzipSync(lines(requests))
    const store = newLedger()
    const { code, err } = await run(['import', 'helicone', fileOf(packed.subarray(0, packed.length / 2), '.jsonl.gz'), '--store', store])
    expect([code, err]).toEqual([1, expect.stringContaining('cannot be unpacked: unexpected end of file')])
    const { out } = await run(['report', 'users', '--store', store, '--format', 'json'])
    const { requests: kept } = (JSON.parse(out) as { totals: { requests: number } }).totals
    expect(kept).toBeGreaterThan(100)
    const whole = await run(['import', 'helicone', fileOf(packed, '.jsonl.gz'), '--store', store, '--format', 'json'])
    expect(whole.err).toContain(`going on at line ${kept + 1}, after ${kept} records`)
    expect(whole.out).toContain('"imported":3000,"already_there":0')
  })

  it('writes what it refuses to a file, below the header of its table, from where it can be mended', async () => {
    const rejects = join(folder, 'rejects.csv')
    const text = 'request_id,request_created_at\r\na,1767607200\r\nb,never\r\n,1767607200\r\n'
    const { code, out, err } = await ask(fileOf(text, '.csv'), '--rejects', rejects)
    expect(code).toBe(0)
    expect(out).toMatch(/3 +1 +1 +0 +0 +1 +0 +0 +2\n/)
    expect(err).toContain('(no_time): line 3')
    expect(readFileSync(rejects, 'utf8')).toBe('request_id,request_created_at\nb,never\n,1767607200\n')
    expect(statSync(rejects).mode & 0o777).toBe(0o600)
  })

  it('adds to what it refused before where it goes on, and begins anew otherwise', async () => {
    const rejects = join(folder, 'kept.csv')
    const text = 'request_id,request_created_at\na,never\n'
    await ask(fileOf(text, '.csv'), '--rejects', rejects)
    await ask(fileOf(text, '.csv'), '--rejects', rejects)
    expect(readFileSync(rejects, 'utf8')).toBe(text)
    const source = await helicone(await openFile(fileOf(text, '.csv')))
    const going = openRejects(rejects, [])
    going.keep()
    going.add(
      { bytes: Buffer.from('b,never'), whole: undefined, line: 3, from: { offset: 0, line: 3 }, to: { offset: 0, line: 3 } },
      source,
    )
    going.close()
    expect(readFileSync(rejects, 'utf8')).toBe(`${text}b,never\n`)
    await ask(fileOf(good), '--rejects', rejects)
    expect(readFileSync(rejects, 'utf8')).toBe('')
  })

  it('does not write what it refuses over what it reads, or into a folder', async () => {
    const path = fileOf(good)
    expect(await ask(path, '--rejects', path)).toMatchObject({ code: 2, err: expect.stringContaining('is a file that is read') as string })
    expect(readFileSync(path, 'utf8')).toBe(good)
    mkdirSync(join(folder, 'rejects'))
    expect(await ask(path, '--rejects', join(folder, 'rejects'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot be written') as string,
    })
  })
})
