import { execFile } from 'node:child_process'
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { startStandIn } from '@spanledger/stand-in'
import { describe, expect, it, onTestFinished } from 'vitest'

import { ask, makeCall, startApp, tempFolder, tempLedger } from './app.ts'
import { read, root, trackedFiles } from './repository.ts'

const readme = read('README.md')
const command = join(root, 'packages/reporter/bin/spanledger.mjs')
const shellLines = blocksOf('sh').flatMap((block) => block.split('\n'))
const spanledgerLines = shellLines.filter((line) => line.startsWith('npx spanledger '))
/** These say what they did, and have no data. */
const changing = /^npx spanledger (?:erase|privacy opt-out) /
const [code = ''] = blocksOf('js')

describe('README.md', () => {
  it('has commands of npm, of node and of spanledger, and no others', () => {
    expect(shellLines.filter((line) => !/^(?:npm (?:start|install)|node|npx spanledger) ?/.test(line))).toEqual([])
    expect(spanledgerLines.length).toBeGreaterThan(5)
  })

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = Array.from(readme.matchAll(/npm (?:run )?(start|test|check|bench|build)\b/g), ([, name = '']) => name)
    expect(named).toContain('start')
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  })

  it('installs packages that exist', () => {
    const install = shellLines.find((line) => line.startsWith('npm install ')) ?? ''
    const packages = install.split(' ').slice(2)
    expect(packages).toEqual(['spanledger', '@opentelemetry/api', '@opentelemetry/sdk-node'])
    expect(packages.filter((name) => !existsSync(join(root, 'node_modules', name)))).toEqual([])
  })

  it.each(spanledgerLines.filter((line) => !changing.test(line)))('%s', async (line) => {
    const path = await ledger()
    const { exitCode, stdout } = await runCommand(argumentsOf(line).slice(2), { SPANLEDGER_STORE: path })
    expect(exitCode).toBe(0)
    expect(stdout.trim().split('\n').length).toBeGreaterThan(1)
  })

  it.each(spanledgerLines.filter((line) => changing.test(line)))('%s', async (line) => {
    const path = await ledger()
    const { exitCode, stdout, stderr } = await runCommand(argumentsOf(line).slice(2), { SPANLEDGER_STORE: path })
    expect([exitCode, stdout]).toEqual([0, ''])
    expect(stderr).toContain('"user-123"')
  })

  it('shows a report with the columns that it has', async () => {
    const [shown = ''] = blocksOf('text')
    const [line = '', head = ''] = shown.split('\n')
    const path = await ledger()
    const { stdout } = await runCommand(argumentsOf(line).slice(3), { SPANLEDGER_STORE: path })
    const labels = (text: string): string[] => text.trim().split(/ {2,}/)
    expect(labels(stdout.split('\n')[0] ?? '')).toEqual(labels(head))
    expect(stdout).toMatch(/^ada +new +1 /m)
  })

  it('shows a program that puts its call into the ledger', async () => {
    const standIn = await startStandIn()
    onTestFinished(() => standIn.close())
    const folder = tempFolder()
    writeFileSync(join(folder, 'app.mjs'), code)
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const start = argumentsOf(shellLines.find((line) => line.startsWith('node ')) ?? '').slice(1)
    const { exitCode, stderr } = await run(process.execPath, start, {
      cwd: folder,
      env: { PATH: process.env['PATH'], OPENAI_BASE_URL: `${standIn.url}/v1`, OPENAI_API_KEY: 'any' },
    })
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(
      await ask(join(folder, 'spanledger.db'), {
        metrics: ['requests', 'unpriced_requests'],
        by: ['user', 'session', 'property:plan', 'property:feature', 'model'],
      }),
    ).toEqual([['user-123', 's-1', 'premium', 'chat', 'gpt-4o-mini/openai', 1, 0]])
  })
})

describe('the documentation', () => {
  const documents = trackedFiles().filter((path) => path.endsWith('.md') && !path.startsWith('docs/decisions/'))

  it('has links to files that exist', () => {
    const links = documents.flatMap((document) =>
      Array.from(read(document).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g), ([, target = '']) => join(document, '..', target)),
    )
    expect(links).toContain('docs/architecture.md')
    expect(links.filter((target) => !existsSync(join(root, target)))).toEqual([])
  })

  it('names commands and reports of spanledger that exist, and every one of them', async () => {
    const { stdout: help } = await runCommand(['--help'], {})
    const { stdout: list } = await runCommand(['report', '--format', 'csv', '--no-header'], {})
    const commands = Array.from(
      (help.split('Commands:\n')[1]?.split('\n\n')[0] ?? '').matchAll(/^ {2}([a-z-]+) /gm),
      ([, name = '']) => name,
    )
    const reports = list.split('\r\n').map((line) => line.split(',', 1)[0] ?? '')
    const text = documents.map(read).join('\n')
    const named = (pattern: RegExp): Set<string> => new Set(Array.from(text.matchAll(pattern), ([, names = '']) => names.split('|')).flat())
    const namedCommands = named(/(?:`|^ {4}|npx )spanledger ([a-z-]+)/gm)
    const namedReports = named(/(?:`|^ {4}|npx )spanledger report ([a-z_|]+)/gm)
    const describedReports = new Set(Array.from(read('docs/reports.md').matchAll(/^\| `([a-z_]+)` \|/gm), ([, name = '']) => name))
    expect([...namedCommands].filter((name) => !commands.includes(name))).toEqual([])
    expect([...namedReports].filter((name) => !reports.includes(name))).toEqual([])
    expect(commands.filter((name) => name !== 'help' && !namedCommands.has(name))).toEqual([])
    expect(reports.filter((name) => name !== '' && !describedReports.has(name))).toEqual([])
  })
})

/** The blocks of README.md in a language. */
function blocksOf(language: string): string[] {
  return Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)\\n\`\`\`$`, 'gm')), ([, block = '']) => block)
}

/** A command line as the shell splits it. */
function argumentsOf(line: string): string[] {
  return Array.from(line.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
}

/** A ledger that every command of README.md has something to say about. */
async function ledger(): Promise<string> {
  const path = tempLedger()
  const { tracer, processor } = startApp({ store: path })
  makeCall(tracer, { 'user.id': 'ada', 'session.id': 's-1', 'property.Plan': 'free', 'property.Feature': 'chat' })
  makeCall(tracer, { 'user.id': 'ben', 'property.Plan': 'pro', 'property.Feature': 'search' })
  await processor.shutdown()
  return path
}

interface Run {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the built command, away from the repository's own files. */
function runCommand(args: readonly string[], env: Record<string, string>): Promise<Run> {
  return run(process.execPath, [command, ...args], { cwd: tempFolder(), env: { PATH: process.env['PATH'], ...env } })
}

function run(program: string, args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<Run> {
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
  })
}
