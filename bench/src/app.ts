import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { median, round, type Finding } from './measure.ts'

/** What one run of the app felt. */
export interface AppFigures {
  readonly made: number
  readonly written: number
  readonly cpuShareOfCore: number
  readonly eventLoopP99Ms: number
  readonly eventLoopMaxMs: number
  readonly rssMiB: number
  /** What is reachable after a full collection; the rest of the memory is garbage that V8 has not picked up yet, and native. */
  readonly liveHeapMiB: number
}

export interface AppBenchOptions {
  readonly callsPerSecond: number
  readonly seconds: number
  readonly rounds: number
}

/** An app that makes calls at a steady rate, in processes of its own, without us and with us in turn. */
export async function benchApp({ callsPerSecond, seconds, rounds }: AppBenchOptions): Promise<Finding> {
  const runs: Record<'bare' | 'ours', AppFigures[]> = { bare: [], ours: [] }
  for (let n = 0; n < rounds; n++) {
    for (const mode of ['bare', 'ours'] as const) runs[mode].push(await runApp(mode, callsPerSecond, seconds))
  }
  const difference = (figure: keyof AppFigures): number =>
    median(runs.ours.map((run) => run[figure])) - median(runs.bare.map((run) => run[figure]))
  const lost = runs.ours.reduce((sum, run) => sum + run.made - run.written, 0)
  const p99 = difference('eventLoopP99Ms')
  const cpu = difference('cpuShareOfCore')
  const rss = difference('rssMiB')
  return {
    bench: 'app',
    figures: {
      callsPerSecond,
      seconds,
      bareCpuShareOfCore: round(median(runs.bare.map((run) => run.cpuShareOfCore))),
      addedCpuShareOfCore: round(cpu),
      bareEventLoopP99Ms: round(median(runs.bare.map((run) => run.eventLoopP99Ms))),
      addedEventLoopP99Ms: round(p99),
      bareRssMiB: round(median(runs.bare.map((run) => run.rssMiB))),
      addedRssMiB: round(rss),
      addedLiveHeapMiB: round(difference('liveHeapMiB')),
      lostCalls: lost,
    },
    targets: [
      { what: `event-loop p99 at ${callsPerSecond} calls/s, ms more than without us`, wanted: '<= 1', measured: round(p99), met: p99 <= 1 },
      { what: 'share of a core', wanted: '<= 0.06', measured: round(cpu), met: cpu <= 0.06 },
      { what: 'memory, MiB more', wanted: '<= 32', measured: round(rss), met: rss <= 32 },
      { what: 'calls lost', wanted: '0', measured: lost, met: lost === 0 },
    ],
  }
}

async function runApp(mode: 'bare' | 'ours', callsPerSecond: number, seconds: number): Promise<AppFigures> {
  const program = fileURLToPath(new URL('app-child.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, mode, String(callsPerSecond), String(seconds)])
  return JSON.parse(stdout) as AppFigures
}
