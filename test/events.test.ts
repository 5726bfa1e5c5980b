import { execFile } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { attributes, eventAttributes, eventKinds } from '@spanledger/conventions'
import { openStore } from '@spanledger/store'
import { describe, expect, it } from 'vitest'

import { tempFolder } from './app.ts'
import { read, root } from './repository.ts'

const document = read('docs/events.md')

/** The examples of the document, in an app with a processor. */
const program = `
import { NodeSDK } from '@opentelemetry/sdk-node'
import { LedgerSpanProcessor } from 'spanledger'
const sdk = new NodeSDK({ spanProcessors: [new LedgerSpanProcessor({ store: 'spanledger.db' })] })
sdk.start()
${Array.from(document.matchAll(/```js\n([\s\S]*?)```/g), ([, code = '']) => code).join('\n')}
await sdk.shutdown()
`

describe('docs/events.md', () => {
  it('has an example of every kind of event, each of which is in the ledger as it says', async () => {
    const folder = tempFolder()
    writeFileSync(join(folder, 'app.mjs'), program)
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    expect(await runNode(['app.mjs'], folder)).toEqual({ exitCode: 0, stderr: '' })
    const store = await openStore({ path: join(folder, 'spanledger.db') })
    const rows = await store.all<Record<string, unknown>>(
      `SELECT s.kind, s.name, s.source, u.name AS user, n.name AS session, e.target_kind, e.target, e.outcome, e.previous, e.value, e.min, e.max,
         e.amount_nano_usd, e.task, e.step, e.period
       FROM events AS e JOIN event_subjects AS s USING (subject_id) JOIN users AS u USING (user_id) JOIN sessions AS n USING (session_id)
       ORDER BY e.start_ms, e.start_fraction`,
    )
    expect(rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null && value !== '')))).toEqual(
      expected,
    )
    expect(await store.counters()).toEqual(new Map())
    expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(Object.keys(eventKinds)))
    expect(await store.verify()).toMatchObject({ ok: true })
    await store.close()
  })

  it('names every span and attribute of an event', () => {
    const { evaluationName, evaluationScoreValue, evaluationScoreLabel, responseId } = attributes
    const names = [
      ...Object.values(eventKinds).map(({ spanName }) => spanName),
      ...Object.values(eventAttributes),
      evaluationName,
      evaluationScoreValue,
      evaluationScoreLabel,
      responseId,
    ]
    expect(names.filter((name) => !document.includes(`\`${name}\``))).toEqual([])
  })
})

const ann = { user: 'user-123', session: 's-1', source: 'human' }
const bob = { user: 'user-456', session: '(none)', source: 'human' }
const expected = [
  { ...bob, kind: 'revenue', name: 'refund', target_kind: 'itself', amount_nano_usd: -5_000_000_000 },
  { ...ann, kind: 'feedback', name: 'thumbs', target_kind: 'response', target: 'chatcmpl-1', value: 1, min: 0, max: 1 },
  { ...ann, kind: 'feedback', name: 'session', target_kind: 'session', value: 4, min: 1, max: 5 },
  { ...ann, kind: 'feedback', name: 'relevance', source: 'judge', target_kind: 'session', value: 0.8, min: 0, max: 1 },
  { ...ann, kind: 'nps', name: 'nps', target_kind: 'user', value: 9, min: 0, max: 10 },
  { ...ann, kind: 'goal', name: 'ticket_solved', target_kind: 'session', outcome: 'success' },
  { ...ann, kind: 'goal', name: 'import', target_kind: 'task', target: 'task-7', task: 'task-7', step: 'upload', outcome: 'failure' },
  { ...ann, kind: 'task', name: 'import', target_kind: 'task', target: 'task-7', task: 'task-7', step: 'map', outcome: 'started' },
  { ...ann, kind: 'task', name: 'import', target_kind: 'task', target: 'task-7', task: 'task-7', step: 'map', outcome: 'completed' },
  { ...ann, kind: 'task', name: 'import', target_kind: 'task', target: 'task-7', task: 'task-7', outcome: 'completed' },
  { ...ann, kind: 'milestone', name: 'first_report', target_kind: 'user' },
  { ...ann, kind: 'exposed', name: 'search', target_kind: 'user' },
  { ...ann, kind: 'exposed', name: 'new_ui', target_kind: 'user', outcome: 'blue' },
  { ...ann, kind: 'revenue', name: 'revenue', target_kind: 'entry', target: 'in_1', amount_nano_usd: 19_990_000_000, period: 'month' },
  { ...ann, kind: 'plan_change', name: 'plan', target_kind: 'itself', outcome: 'pro', previous: 'free' },
  { ...ann, kind: 'session_end', name: 'session', target_kind: 'session', outcome: 'completed' },
  { ...ann, kind: 'consent', name: 'analytics', target_kind: 'user', outcome: 'granted' },
  { ...bob, kind: 'feedback', name: 'rating', session: 's-9', target_kind: 'session', value: 2, min: 1, max: 5 },
]

function runNode(args: readonly string[], cwd: string): Promise<{ exitCode: number | string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env: { PATH: process.env['PATH'] } }, (error, _stdout, stderr) =>
      resolve({ exitCode: error?.code ?? 0, stderr }),
    )
  })
}
