import { execFile } from 'node:child_process'
import { join } from 'node:path'

import { startStandIn, type StandIn } from '@spanledger/stand-in'
import { onTestFinished } from 'vitest'

import { tempFolder } from './app.ts'
import { root } from './repository.ts'

/** What an example did. */
export interface ExampleRun {
  readonly stdout: string
  readonly stderr: string
  /** The ledger it left. */
  readonly path: string
  /** The provider that it called: its own books say what was charged. */
  readonly standIn: StandIn
}

/** Runs an example as its README says, on the built packages, against a stand-in of the test. */
export async function runExample(
  name: string,
  { program = `${name}.mjs`, args = [] }: { readonly program?: string; readonly args?: readonly string[] } = {},
): Promise<ExampleRun> {
  // A fixed seed: answers of other lengths could put the dearest customers in another order.
  const standIn = await startStandIn({ seed: 1 })
  onTestFinished(() => standIn.close())
  const path = join(tempFolder(), 'ledger.db')
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
    execFile(
      process.execPath,
      ['--import', 'spanledger/register', program, ...args],
      {
        cwd: join(root, 'examples', name),
        env: {
          PATH: process.env['PATH'],
          SPANLEDGER_STORE: path,
          OPENAI_BASE_URL: `${standIn.url}/v1`,
          OPENAI_API_KEY: 'any',
          ANTHROPIC_BASE_URL: standIn.url,
          ANTHROPIC_API_KEY: 'any',
          NO_COLOR: '1',
        },
      },
      (error, out, err) => (error === null ? resolve({ stdout: out, stderr: err }) : reject(new Error(err, { cause: error }))),
    )
  })
  return { stdout, stderr, path, standIn }
}

/** Price of gpt-4o-mini and gpt-4.1 in nano-USD a token (their price pages, read 2026-11-20): what the examples call. */
const nanoUsdByModel: Readonly<Record<string, { input: number; output: number }>> = {
  'gpt-4o-mini': { input: 150, output: 600 },
  'gpt-4.1': { input: 2000, output: 8000 },
}

/** What requests to a stand-in were charged, in nano-USD, from its own books. */
export function chargedNanoUsd(requests: StandIn['requests']): number {
  return requests
    .flatMap(({ billed }) => billed)
    .reduce((sum, { model, usage }) => {
      const price = Object.entries(nanoUsdByModel).find(([name]) => model.startsWith(name))?.[1]
      if (price === undefined) throw new Error(`no price for ${model}`)
      return sum + usage.inputTokens * price.input + usage.outputTokens * price.output
    }, 0)
}
