import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, describe, expect, it } from 'vitest'

import { folder, heliconeRequest, newLedger } from './import-kit.ts'

afterAll(() => rmSync(folder, { recursive: true }))

const bin = fileURLToPath(new URL('../bin/spanledger.mjs', import.meta.url))
const RECORDS = 30_000

/** 150 MB of what `row` gives. */
async function writeLarge(name: string, head: string, row: (n: number) => string, end = ''): Promise<string> {
  const path = join(folder, name)
  const file = createWriteStream(path)
  file.write(head)
  for (let n = 0; n < RECORDS; n++) if (!file.write(row(n))) await once(file, 'drain')
  file.end(end)
  await once(file, 'close')
  return path
}

const body = { messages: [{ role: 'user', content: 'what was asked, at length. '.repeat(180) }] }
const request = (n: number): string =>
  JSON.stringify(
    heliconeRequest({
      request_id: `r-${n}`,
      request_user_id: `user-${n % 5000}`,
      request_created_at: 1_767_607_200 + n,
      request_body: body,
    }),
  )
const quoted = JSON.stringify(body).replaceAll('"', '""')

describe('a file of 150 MB is imported in a heap of 128 MB', { timeout: 300_000 }, () => {
  it.each([
    ['as JSON lines', 'large.jsonl', '', (n: number) => `${request(n)}\n`, ''],
    ['as one list', 'large.json', '[\n', (n: number) => `${n === 0 ? '' : ',\n'}${request(n)}`, '\n]\n'],
    [
      'as CSV',
      'large.csv',
      'request_id,request_created_at,request_user_id,request_model,provider,prompt_tokens,completion_tokens,request_body\n',
      (n: number) => `r-${n},${1_767_607_200 + n},user-${n % 5000},gpt-4o,OPENAI,100,20,"${quoted}"\n`,
      '',
    ],
  ])('%s', async (_what, name, head, row, end) => {
    const path = await writeLarge(name, head, row, end)
    const args = ['--max-old-space-size=128', bin, 'import', 'helicone', path, '--store', newLedger(), '--format', 'json']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    for await (const text of child.stdout) out += String(text)
    expect(JSON.parse(out)).toMatchObject({ totals: { records: RECORDS, imported: RECORDS, refused: 0 } })
    rmSync(path)
  })
})
