import { trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import type { Store } from '@spanledger/store'
import { checkLimit, defineExperiments, defineTiers, getUserExperiment, getUserMetrics, getUserSegment, loadUserMetrics } from 'spanledger'

import { median, round, type Finding } from './measure.ts'
import { onRandomLedger } from './random-ledger.ts'

export interface InProcessBenchOptions {
  /** Calls of the ledger that is asked about. */
  readonly calls: number
  /** Questions that are timed together. */
  readonly callsPerBlock: number
  readonly rounds: number
}

const DAYS_MS = 90 * 86_400_000
/** What may be asked in the middle of a request, and may not be felt there. */
const WANTED_US = 5
const questions = {
  getUserMetrics,
  getUserSegment,
  checkLimit,
  getUserExperiment: (user: string) => getUserExperiment(user, 'model_selection'),
} as const

/** What a question of an app's own costs it: of users that are known, of one in ten that is not, in CPU time of the thread. */
export async function benchInProcess({ calls, callsPerBlock, rounds }: InProcessBenchOptions): Promise<Finding> {
  // A tracer that makes real spans: the first answer about a user tells an exposure.
  trace.setGlobalTracerProvider(new BasicTracerProvider())
  // Limits are of the running month, so the calls end today.
  return onRandomLedger({ calls, startMs: Date.now() - DAYS_MS }, (ledger) => askAll(ledger, { callsPerBlock, rounds }))
}

async function askAll(
  { store }: { readonly store: Store },
  { callsPerBlock, rounds }: Pick<InProcessBenchOptions, 'callsPerBlock' | 'rounds'>,
): Promise<Finding> {
  await loadUserMetrics({ store })
  await defineTiers({ free: { where: 'plan = free', monthly_request_limit: 1000 }, paid: { monthly_request_limit: 'unlimited' } })
  const users = Array.from({ length: 20_000 }, (_, n) => (n % 10 === 9 ? `nobody-${n}` : `user-${n}`))
  const known = users.filter((user) => getUserMetrics(user).known).length
  const limited = users.filter((user) => checkLimit(user).tier !== null).length
  if (known === 0 || limited === 0) throw new Error(`${known} users are known, and ${limited} have a limit`)
  const took = new Map(Object.keys(questions).map((name) => [name, [] as number[]]))
  const first: number[] = []
  for (let n = 0; n <= rounds; n++) {
    // Forgets who was told, so that every user is new once a round.
    defineExperiments({ model_selection: { variants: ['gpt_first', 'claude_first'] } })
    first.push(usEach(questions.getUserExperiment, users, users.length))
    for (const [name, ask] of Object.entries(questions)) took.get(name)?.push(usEach(ask, users, callsPerBlock))
  }
  // The first round is for the compiler.
  const medians = Array.from(took, ([name, all]) => [name, round(median(all.slice(1)))] as const)
  return {
    bench: 'in-process',
    figures: {
      usersAsked: users.length,
      usersKnown: known,
      usersWithTier: limited,
      ...Object.fromEntries(medians.map(([name, us]) => [`${name}Us`, us])),
      firstExposureUs: round(median(first.slice(1))),
    },
    targets: medians.map(([name, us]) => ({
      what: `${name}, us a call`,
      wanted: `at most ${WANTED_US}`,
      measured: us,
      met: us <= WANTED_US,
    })),
  }
}

let seen = 0

function usEach(ask: (user: string) => unknown, users: readonly string[], calls: number): number {
  const before = process.cpuUsage()
  for (let n = 0; n < calls; n++) {
    // What is not looked at might not be computed.
    if (ask(users[n % users.length] ?? '') !== undefined) seen++
  }
  const { user, system } = process.cpuUsage(before)
  if (seen === 0) throw new Error('nothing was answered')
  return (user + system) / calls
}
