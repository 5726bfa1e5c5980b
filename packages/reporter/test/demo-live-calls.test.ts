import { startStandIn, type StandIn } from '@spanledger/stand-in'
import { afterEach, beforeEach, expect, it } from 'vitest'

import { liveCalls } from '../src/demo/live-calls.ts'

let standIn: StandIn
beforeEach(async () => {
  standIn = await startStandIn({ seed: 3 })
})
afterEach(() => standIn.close())

it('makes 31 calls as five users, of which one fails, and reports what the stand-in charged', async () => {
  const summary = await liveCalls({ standIn })
  const answered = standIn.requests.filter(({ status }) => status === 200)
  expect(summary).toEqual({
    users: ['ada@example.com', 'ben@example.com', 'chen@example.com', 'dora@example.com', 'eli@example.com'],
    calls: 31,
    failed: 1,
    billed: answered.flatMap(({ billed }) => billed),
  })
  expect(answered).toHaveLength(30)
  expect(standIn.requests.filter(({ cut }) => cut)).toEqual([])
  expect(
    standIn.requests
      .map(({ status }) => status)
      .filter((status) => status !== 200)
      .sort(),
  ).toEqual([429, 503])
})

it('charges for every kind of tokens, at six models', async () => {
  const { billed } = await liveCalls({ standIn })
  const sum = (bucket: keyof (typeof billed)[number]['usage']): number => billed.reduce((total, { usage }) => total + usage[bucket], 0)
  expect([...new Set(billed.map(({ model }) => model))].sort()).toEqual([
    'claude-haiku-4-5-20251001',
    'claude-opus-4-8',
    'gpt-4.1-2025-04-14',
    'gpt-4o-mini-2024-07-18',
    'gpt-5-mini-2025-08-07',
    'text-embedding-3-small',
  ])
  expect(sum('cacheReadTokens')).toBe(4 * 2800 + (1280 + 1408 + 1536 + 1664) + 2 * 1024)
  expect(sum('cacheWrite1hTokens')).toBe(2800)
  expect(sum('reasoningTokens')).toBe(90 + 640 + 128 + 320)
  expect(sum('webSearches')).toBe(2)
})

it('counts only its own calls where the stand-in has been asked before', async () => {
  const first = await liveCalls({ standIn })
  const second = await liveCalls({ standIn })
  expect(second.calls).toBe(first.calls)
  expect(second.billed).toHaveLength(first.billed.length)
})
