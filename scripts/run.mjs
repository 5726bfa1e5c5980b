/**
 * Behind `npm start`, `npm test`, `npm run check` and `npm run bench`: installs what is missing, builds, then runs.
 * Leans on nothing but Node, because a fresh clone has nothing else. Progress goes to stderr.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What each command does once the dependencies of the root are there. @returns the exit code */
const commands = {
  start: async (args) => {
    await build('packages/reporter')
    return run([process.execPath, join(root, 'packages/reporter/bin/spanledger.mjs'), 'demo', ...args])
  },
  test: async (args) => {
    await install('test/sdk-3', ['--loglevel', 'error'])
    await install('test/dialects', ['--loglevel', 'error', '--no-audit', '--no-fund'])
    await build('.')
    return run([...tool('vitest'), 'run', ...args])
  },
  check: async () => {
    await build('.')
    return check()
  },
  bench: async (args) => {
    await build('bench')
    // The garbage collector is called between blocks that count allocations; the young generation must hold a block.
    return run([process.execPath, '--expose-gc', '--max-semi-space-size=128', join(root, 'bench/dist/main.js'), ...args])
  },
}

const [command = '', ...args] = process.argv.slice(2)
if (Object.hasOwn(commands, command)) {
  try {
    await install('.', ['--no-audit', '--no-fund'])
    process.exitCode = await commands[command](args)
  } catch (error) {
    if (error.exitCode === undefined) throw error
    say(error.message)
    process.exitCode = error.exitCode
  }
} else {
  say(`Unknown command "${command}". Allowed: ${Object.keys(commands).join(', ')}.`)
  process.exitCode = 2
}

/** Installs what a folder's package-lock.json names, unless exactly that is there. */
async function install(folder, npmArgs) {
  if (isInstalled(folder)) return
  say(`Installing the packages of ${folder === '.' ? 'the workspace (sqlite3 may have to be compiled: 1-2 minutes)' : folder} …`)
  // The npm that runs this script, where there is one: there may be several.
  const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm']
  // Not `npm ci`: it refuses a lock file without the binaries of all other systems, which not every registry has.
  await demand(`npm install in ${folder}`, [...npm, 'install', '--no-save', ...npmArgs], { cwd: join(root, folder) })
}

/** Whether npm's own note of what it installed holds all that the lock file asks for, in the same versions. */
function isInstalled(folder) {
  const installed = readPackages(join(root, folder, 'node_modules/.package-lock.json'))
  const wanted = readPackages(join(root, folder, 'package-lock.json'))
  return Object.entries(wanted).every(([path, { version, link, optional }]) => {
    // Workspaces stand in the lock twice: as their folder, which is always there, and as a link to it.
    if (optional === true || !path.includes('node_modules/')) return true
    return Object.hasOwn(installed, path) && installed[path].version === version && installed[path].link === link
  })
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return {}
  }
}

async function build(project) {
  say('Building …')
  await demand('The build', [...tool('tsc', 'typescript'), '-b', project])
}

/** Runs every check, also after one has failed, and shows the output of those that fail. */
async function check() {
  const packages = readdirSync(join(root, 'packages'))
  const isPublic = (name) => JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')).private !== true
  const checks = {
    'lint (oxlint)': [...tool('oxlint'), '--deny-warnings'],
    'format (oxfmt)': [...tool('oxfmt'), '--check', '.'],
    'types (tsc)': [...tool('tsc', 'typescript'), '-b', '.', 'bench'],
    'unused code (knip)': [...tool('knip'), '--no-progress'],
    ...Object.fromEntries(
      packages.filter(isPublic).flatMap((name) => [
        [`packaging of ${name} (publint)`, [...tool('publint'), join('packages', name), '--strict']],
        [`types of ${name} (attw)`, [...tool('attw', '@arethetypeswrong/cli'), '--pack', join('packages', name), '--profile', 'esm-only']],
      ]),
    ),
  }
  let exitCode = 0
  for (const [name, commandLine] of Object.entries(checks)) {
    const { code, output } = await runQuietly(commandLine)
    say(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}`)
    if (code !== 0) process.stderr.write(output)
    exitCode ||= code
  }
  return exitCode
}

/** A command of an installed package, run by this Node: shells differ between systems. */
function tool(name, packageName = name) {
  const folder = join(root, 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return [process.execPath, join(folder, bin[name])]
}

/** Runs a step that the rest depends on; its output goes to stderr. @throws Error with `exitCode` when it fails */
async function demand(what, commandLine, options) {
  const exitCode = await run(commandLine, { stdio: ['ignore', 2, 2], ...options })
  if (exitCode !== 0) throw Object.assign(new Error(`${what} failed.`), { exitCode })
}

async function runQuietly(commandLine) {
  const chunks = []
  const code = await run(commandLine, { stdio: ['ignore', 'pipe', 'pipe'] }, (child) => {
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
  })
  return { code, output: Buffer.concat(chunks).toString() }
}

/** Runs a program to its end and passes signals on to it. @returns its exit code; 128 and the signal's number if one ended it */
function run([program, ...programArgs], options = {}, onStart = () => undefined) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArgs, { cwd: root, stdio: 'inherit', ...options })
    onStart(child)
    // A terminal sends Ctrl-C to the child itself; a second one would cut its farewell short.
    const interrupt = () => process.stdin.isTTY || child.kill('SIGINT')
    const terminate = () => child.kill('SIGTERM')
    process.on('SIGINT', interrupt).on('SIGTERM', terminate)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', interrupt).off('SIGTERM', terminate)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}

function say(line) {
  process.stderr.write(`${line}\n`)
}
