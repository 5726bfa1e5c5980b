import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Finding } from './measure.ts'

/** The long runs of two tests of the collector: those of kill -9 under clients that send again, and of mutated payloads. */
export async function benchCollectorFaults({ kills, payloads }: { kills: number; payloads: number }): Promise<Finding> {
  const isKillsOk = runTest('kills.test.ts', 'kill -9', { KILLS: String(kills) })
  const isFuzzOk = runTest('hostile.test.ts', 'change no prototype', { FUZZ_RUNS: String(payloads) })
  return {
    bench: 'collector-faults',
    figures: { kills, payloads },
    targets: [
      { what: `lost or counted twice in ${kills} kill -9: tests failed`, wanted: '0', measured: Number(!isKillsOk), met: isKillsOk },
      {
        what: `crashes, hangs, changed prototypes in ${payloads} payloads: tests failed`,
        wanted: '0',
        measured: Number(!isFuzzOk),
        met: isFuzzOk,
      },
    ],
  }
}

function runTest(file: string, name: string, env: Record<string, string>): boolean {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const { status } = spawnSync(process.execPath, [vitest, 'run', `packages/collector/test/${file}`, '-t', name], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 2, 2],
  })
  return status === 0
}
