import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** How an app is to live and end; see programs/app.mjs. */
export interface App {
  readonly store: string
  readonly end: string
  readonly calls?: number
  readonly user?: string
  readonly sdk?: 2 | 3
  readonly options?: object
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs an app on the built files. `whileRunning` may kill it. */
export function runApp(
  app: App,
  {
    node = process.execPath,
    nodeArguments = [],
    whileRunning,
  }: { node?: string; nodeArguments?: string[]; whileRunning?: (child: ChildProcess) => void } = {},
): Promise<Ended> {
  const child = spawn(node, [...nodeArguments, program('app.mjs'), JSON.stringify(app)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  whileRunning?.(child)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

export function program(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url))
}
