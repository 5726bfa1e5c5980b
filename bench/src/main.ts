import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { benchApp } from './app.ts'
import { benchCollector } from './collector.ts'
import { benchCollectorFaults } from './collector-faults.ts'
import { benchDuckDb } from './duckdb.ts'
import { benchErase } from './erase.ts'
import { benchInProcess } from './in-process.ts'
import { benchInstrumentation } from './instrumentation.ts'
import type { Finding } from './measure.ts'
import { benchReports, reportsAsked, reportsAskedOfMany } from './reports.ts'
import { benchStore } from './store.ts'
import { benchUsersReport } from './users-report.ts'

/** `ledgers`: a folder in which ledgers that take long to make are kept. */
type Bench = (kept: { readonly ledgers?: string | undefined }) => Promise<Finding>

/** Every benchmark, in its full size and in one that ends within a minute (`--quick`), which says less. */
const benches: Readonly<Record<string, { full: Bench; quick: Bench }>> = {
  instrumentation: {
    full: () => benchInstrumentation({ rounds: 16, plainCallsPerBlock: 1024, streamsPerBlock: 256 }),
    quick: () => benchInstrumentation({ rounds: 8, plainCallsPerBlock: 512, streamsPerBlock: 32 }),
  },
  app: {
    full: () => benchApp({ callsPerSecond: 2000, seconds: 30, rounds: 2 }),
    quick: () => benchApp({ callsPerSecond: 2000, seconds: 5, rounds: 1 }),
  },
  store: {
    full: () => benchStore({ calls: 300_000, batch: 5000 }),
    quick: () => benchStore({ calls: 50_000, batch: 5000 }),
  },
  'store-in-app': {
    full: () => benchStore({ calls: 100_000, batch: 512 }),
    quick: () => benchStore({ calls: 20_000, batch: 512 }),
  },
  collector: {
    full: () => benchCollector({ rounds: 12, requestsPerBlock: 40, steadySeconds: 20, overloadSeconds: 60 }),
    quick: () => benchCollector({ rounds: 3, requestsPerBlock: 20, steadySeconds: 5, overloadSeconds: 8 }),
  },
  'collector-faults': {
    full: () => benchCollectorFaults({ kills: 200, payloads: 1_000_000 }),
    quick: () => benchCollectorFaults({ kills: 10, payloads: 50_000 }),
  },
  'in-process': {
    full: () => benchInProcess({ calls: 200_000, callsPerBlock: 200_000, rounds: 15 }),
    quick: () => benchInProcess({ calls: 20_000, callsPerBlock: 20_000, rounds: 5 }),
  },
  'users-report': {
    full: (kept) => benchUsersReport({ calls: 1_000_000, ...kept }),
    quick: (kept) => benchUsersReport({ calls: 100_000, ...kept }),
  },
  erase: {
    full: (kept) => benchErase({ calls: 1_000_000, ...kept }),
    quick: (kept) => benchErase({ calls: 50_000, ...kept }),
  },
  reports: {
    full: (kept) => benchReports({ bench: 'reports', calls: 1_000_000, rounds: 3, asked: reportsAsked, ...kept }),
    quick: (kept) => benchReports({ bench: 'reports', calls: 50_000, rounds: 1, asked: reportsAsked, ...kept }),
  },
  'reports-10m': {
    full: (kept) => benchReports({ bench: 'reports-10m', calls: 10_000_000, rounds: 3, asked: reportsAskedOfMany, ...kept }),
    quick: (kept) => benchReports({ bench: 'reports-10m', calls: 100_000, rounds: 1, asked: reportsAskedOfMany, ...kept }),
  },
  duckdb: {
    full: (kept) => benchDuckDb({ calls: 1_000_000, rounds: 3, ...kept }),
    quick: (kept) => benchDuckDb({ calls: 50_000, rounds: 1, ...kept }),
  },
}

const help = `npm run bench -- [NAME…] [--quick] [--json FILE]

Runs benchmarks (${Object.keys(benches).join(', ')}) and prints what they found beside what was wanted.
Everything is a ratio or a difference taken in one run; a busy machine spoils them all.

  --quick      small sizes, for a look
  --json FILE  writes the findings to FILE
  --ledgers FOLDER  keeps the ledgers that reports are asked of, and reads them where they are there

Example: npm run bench -- store --json store.json
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    ledgers: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const names = positionals.length === 0 ? Object.keys(benches) : positionals
const unknown = names.filter((name) => benches[name] === undefined)
if (values.help) process.stdout.write(help)
else if (unknown.length > 0) {
  process.stderr.write(`Unknown benchmark "${unknown.join('", "')}". There are: ${Object.keys(benches).join(', ')}.\n`)
  process.exitCode = 2
} else {
  const findings: Finding[] = []
  for (const name of names) {
    process.stderr.write(`${name} …\n`)
    const bench = benches[name]
    if (bench !== undefined) findings.push(await (values.quick ? bench.quick(values) : bench.full(values)))
    process.stdout.write(`${text(findings.at(-1))}\n`)
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(findings, null, 2)}\n`)
}

function text(finding: Finding | undefined): string {
  if (finding === undefined) return ''
  const figures = Object.entries(finding.figures).map(([name, value]) => `  ${name.padEnd(28)} ${value}`)
  const targets = finding.targets.map(
    ({ what, wanted, measured, met }) => `  ${met ? 'met   ' : 'missed'} ${what}: ${measured} (wanted ${wanted})`,
  )
  return [finding.bench, ...figures, ...targets].join('\n')
}
