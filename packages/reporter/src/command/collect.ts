import { CollectorError, openCollector, settings, type Collector } from '@spanledger/collector'
import { Option, type Command } from 'commander'

import { CommandFailure, exitCodes, usageFailure } from './failure.ts'
import { checkStorePath, listOf, optionsOf, wholeNumber, withIo, type Globals } from './globals.ts'
import { letHeapGrow } from './heap-growth.ts'
import type { Io } from './io.ts'

interface CollectOptions {
  readonly host: string
  readonly httpPort: string
  readonly grpcPort: string
  readonly token?: string
  readonly tokenFile?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly allowHost?: string
  readonly prices?: string
  readonly maxBodyBytes: string
  readonly maxDecompressedBytes: string
  readonly maxJsonBytes: string
  readonly maxInFlightBytes: string
  readonly maxConnections: string
  readonly headersTimeoutMs: string
  readonly requestTimeoutMs: string
  readonly maxRequestsPerSecond: string
  readonly forward?: string
  readonly forwardHeader: readonly string[]
  readonly forwardQueue?: string
  readonly forwardMaxBytes: string
}

export function addCollect(program: Command): void {
  const command = program
    .command('collect')
    .description('receive OTLP from apps and OpenTelemetry Collectors, and keep the LLM calls among the spans')
  for (const [name, setting] of Object.entries(settings)) {
    const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    command.addOption(
      new Option(`--${flag} <${setting.unit.replace(/ .*/, '')}>`, setting.says).env(setting.env).default(String(setting.default)),
    )
  }
  command
    .addOption(new Option('--token <token>', 'what requests must carry, at least 32 characters').env('SPANLEDGER_COLLECT_TOKEN'))
    .addOption(new Option('--token-file <file>', 'tokens of tenants, each with a ledger of its own').env('SPANLEDGER_COLLECT_TOKEN_FILE'))
    .addOption(new Option('--tls-cert <file>', 'a certificate (PEM): both listeners speak TLS').env('SPANLEDGER_COLLECT_TLS_CERT'))
    .addOption(new Option('--tls-key <file>', 'its key').env('SPANLEDGER_COLLECT_TLS_KEY'))
    .addOption(new Option('--forward <url>', 'another OTLP/HTTP endpoint, to pass everything on to').env('SPANLEDGER_COLLECT_FORWARD'))
    .option('--forward-header <name=value>', 'a header for it, such as its token; may be given several times', append, [])
    .option('--forward-queue <folder>', 'where what waits for it stands (default: the ledger, with ".forward.d" behind it)')
    .option('--allow-host <list>', 'further names by which it may be called where no token is asked for')
    .addOption(new Option('--prices <file>', 'your own prices on top').env('SPANLEDGER_PRICES'))
    .addHelpText(
      'after',
      `
Takes POST /v1/traces, /v1/logs and /v1/metrics (protobuf or JSON, gzip or not) and the same over gRPC. What it has answered
with 200 is in the ledger.

Examples:
  spanledger collect
  spanledger collect --http-port 14318 --grpc-port off --store costs.db
  spanledger collect --forward http://127.0.0.1:14318
  SPANLEDGER_COLLECT_TOKEN=$(openssl rand -hex 32) spanledger collect --host 0.0.0.0`,
    )
    .action(async () => {
      const options = optionsOf<CollectOptions>(command)
      checkStorePath(options.store)
      await withIo(options, (io) => collectUntilStopped(io, options))
    })
}

/** Collects until SIGTERM or SIGINT, then answers what was taken. */
async function collectUntilStopped(io: Io, options: CollectOptions & Globals): Promise<void> {
  const stopped = stopSignal()
  letHeapGrow()
  const collector = await start(io, options)
  await io.out(`listening otlp/http ${collector.httpUrl}\n`)
  if (collector.grpcUrl !== undefined) await io.out(`listening otlp/grpc ${collector.grpcUrl}\n`)
  // Whoever waits for these lines in a file of --out needs them now.
  await io.close()
  await stopped
  await collector.close()
}

async function start(io: Io, options: CollectOptions & Globals): Promise<Collector> {
  const { host, token, tokenFile } = options
  try {
    return await openCollector({
      store: { path: options.store, pricesPath: options.prices, ...(options.tz === undefined ? {} : { timeZone: options.tz }) },
      host,
      httpPort: portOf('--http-port', options.httpPort),
      grpcPort: options.grpcPort === 'off' ? 'off' : portOf('--grpc-port', options.grpcPort),
      token,
      tokenFile,
      tlsCert: options.tlsCert,
      tlsKey: options.tlsKey,
      allowedHosts: listOf(options.allowHost) ?? [],
      maxBodyBytes: bytesOf('--max-body-bytes', options.maxBodyBytes),
      maxDecompressedBytes: bytesOf('--max-decompressed-bytes', options.maxDecompressedBytes),
      maxJsonBytes: bytesOf('--max-json-bytes', options.maxJsonBytes),
      maxInFlightBytes: bytesOf('--max-in-flight-bytes', options.maxInFlightBytes),
      maxConnections: wholeNumber('--max-connections', options.maxConnections, { from: 1, to: 1_000_000 }),
      headersTimeoutMs: wholeNumber('--headers-timeout-ms', options.headersTimeoutMs, { from: 10, to: 3_600_000 }),
      requestTimeoutMs: wholeNumber('--request-timeout-ms', options.requestTimeoutMs, { from: 10, to: 3_600_000 }),
      maxRequestsPerSecond: wholeNumber('--max-requests-per-second', options.maxRequestsPerSecond, { from: 0, to: 1_000_000 }),
      forward: options.forward,
      forwardHeaders: headersOf(options.forwardHeader),
      forwardQueue: options.forwardQueue,
      forwardMaxBytes: bytesOf('--forward-max-bytes', options.forwardMaxBytes),
      onFault: sayOnceASecond(io),
    })
  } catch (error) {
    if (!(error instanceof CollectorError)) throw error
    if (error.kind === 'bad_option') throw usageFailure(error.message, { cause: error })
    throw new CommandFailure(error.kind === 'not_allowed' ? exitCodes.notAllowed : exitCodes.failed, error.message, { cause: error })
  }
}

function portOf(name: string, text: string): number {
  return wholeNumber(name, text, { from: 0, to: 65_535 })
}

function bytesOf(name: string, text: string): number {
  return wholeNumber(name, text, { from: 1024, to: 2 ** 40 })
}

function append(value: string, values: readonly string[]): string[] {
  return [...values, value]
}

function headersOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name, value] = /^([\w-]+)=(.*)$/s.exec(pair) ?? []
      if (name === undefined || value === undefined) {
        throw usageFailure(`--forward-header ${JSON.stringify(pair)}: give a name and a value, such as "authorization=Bearer TOKEN".`)
      }
      return [name.toLowerCase(), value]
    }),
  )
}

/** A ledger that takes nothing fails many requests a second, all for one reason. */
function sayOnceASecond(io: Io): (error: unknown) => void {
  let saidMs = 0
  return (error) => {
    if (Date.now() - saidMs < 1000) return
    saidMs = Date.now()
    io.say(`spanledger: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
}
