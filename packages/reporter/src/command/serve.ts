import type { AddressInfo } from 'node:net'

import type { Command } from 'commander'

import { hostsFor, isLoopback } from '../page/guard.ts'
import { openServer } from '../page/server.ts'
import { CommandFailure, exitCodes } from './failure.ts'
import { analyticsAtOn, listOf, notAllowed, optionsOf, wholeNumber, withLedger, type AnalyticsAt } from './globals.ts'
import type { Io } from './io.ts'

export interface ServeOptions {
  readonly host: string
  readonly port: string
  readonly token?: string
  readonly allowHost?: string
}

export const DEFAULT_PORT = '4319'
const MIN_TOKEN_LENGTH = 32

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve the reports as a page and an HTTP API')
    .option('--host <host>', 'address to listen on; other than loopback needs --token', '127.0.0.1')
    .option('--port <port>', '0 picks a free one', DEFAULT_PORT)
    .option('--token <token>', `what requests must carry, at least ${MIN_TOKEN_LENGTH} characters (also SPANLEDGER_TOKEN)`)
    .option('--allow-host <list>', 'further names by which the server may be called')
    .addHelpText(
      'after',
      `
GET /api/report/NAME takes the options of report as parameters, POST as a JSON object; POST /api/query takes a query as JSON.

Examples:
  spanledger serve --port 4319
  curl 'http://127.0.0.1:4319/api/report/cohorts?mode=streak&weeks=1,4,12'
  SPANLEDGER_TOKEN=$(openssl rand -hex 32) spanledger serve --host 0.0.0.0 --allow-host ledger.internal`,
    )
    .action(async () => {
      const options = optionsOf<ServeOptions>(command)
      await withLedger(options, ({ io, store }) => serveUntilStopped(io, analyticsAtOn(store, options), options))
    })
}

/**
 * Serves until SIGTERM or SIGINT.
 * @throws CommandFailure when the address may not be served without a token, or is in use
 */
export async function serveUntilStopped(io: Io, analyticsAt: AnalyticsAt, options: ServeOptions): Promise<void> {
  const token = options.token ?? process.env['SPANLEDGER_TOKEN']
  const port = wholeNumber('--port', options.port, { from: 0, to: 65_535 })
  if (token !== undefined && token.length < MIN_TOKEN_LENGTH) {
    throw notAllowed(`The token has ${token.length} characters; at least ${MIN_TOKEN_LENGTH} are needed. Make one: openssl rand -hex 32`)
  }
  if (!isLoopback(options.host) && token === undefined) {
    throw notAllowed(
      `--host ${options.host} is open to other machines: give a --token of at least ${MIN_TOKEN_LENGTH} characters, or leave out --host.`,
    )
  }
  const server = openServer(analyticsAt, { hosts: hostsFor(options.host, listOf(options.allowHost) ?? []), token })
  const stopped = stopSignal()
  try {
    await server.listen({ host: options.host, port })
  } catch (cause) {
    throw new CommandFailure(
      exitCodes.failed,
      `Cannot listen on ${options.host}:${port} (${(cause as Error).message}). Give another --port; 0 picks a free one.`,
    )
  }
  const { port: chosen } = server.server.address() as AddressInfo
  const shown = options.host.includes(':') && !options.host.startsWith('[') ? `[${options.host}]` : options.host
  await io.out(`listening dashboard http://${shown}:${chosen}\n`)
  // Whoever waits for that line in a file of --out needs it now.
  await io.close()
  await stopped
  await server.close()
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}
