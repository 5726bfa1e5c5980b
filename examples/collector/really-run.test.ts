import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, it, onTestFinished } from 'vitest'

import { openCollector } from '@spanledger/collector'
import { openStore } from '@spanledger/store'

const here = fileURLToPath(new URL('.', import.meta.url))
const isThere = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
const token = 'f'.repeat(32)

/** What README.md says to set, but for the address and the protocol. */
const readme = readFileSync(join(here, 'README.md'), 'utf8')
const variables = Object.fromEntries(
  [...readme.matchAll(/^ {4}export (OTEL_(?:TRACES_SAMPLER|RESOURCE_ATTRIBUTES))=(.*)$/gm)].map(([, name, value]) => [name, value]),
)

it.each(['http/protobuf', 'http/json', 'grpc'] as const)(
  'an app that is set up by its environment only sends its calls over %s',
  async (protocol) => {
    const folder = mkdtempSync(join(tmpdir(), 'spanledger-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'costs.db')
    const collector = await openCollector({ store: { path }, httpPort: 0, grpcPort: 0, token })
    const child = spawn(process.execPath, [join(here, 'app.mjs')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env['PATH'] ?? '',
        ...variables,
        OTEL_EXPORTER_OTLP_ENDPOINT: (protocol === 'grpc' ? collector.grpcUrl : collector.httpUrl) ?? '',
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${token}`,
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
      },
    })
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
    await collector.close()
    const store = await openStore({ path, readOnly: true })
    expect(
      await store.all(
        `SELECT u.name AS user, k.name AS property, v.value, c.input_tokens, c.output_tokens FROM llm_calls AS c JOIN users AS u USING (user_id)
       JOIN segment_values AS s USING (segment_id) JOIN property_keys AS k USING (key_id) JOIN property_values AS v USING (value_id)`,
      ),
    ).toEqual([{ user: 'ada', property: 'team', value: 'search', input_tokens: 1000, output_tokens: 100 }])
    await store.close()
  },
)

it.skipIf(!isThere('systemd-analyze', '--version'))(
  'systemd finds nothing wrong with the unit (skipped where there is no systemd-analyze)',
  () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', join(here, 'spanledger-collect.service')], { encoding: 'utf8' })
    // It also tells of other units that it came across.
    expect([status, stderr.split('\n').filter((line) => line.includes('spanledger'))]).toEqual([0, []])
  },
)

it.skipIf(!isThere('docker-compose', 'version'))('docker-compose takes its file (skipped where there is no docker-compose)', () => {
  const { status, stderr } = spawnSync('docker-compose', ['-f', join(here, 'docker-compose.yaml'), 'config', '--quiet'], {
    encoding: 'utf8',
    env: { ...process.env, SPANLEDGER_COLLECT_TOKEN: token },
  })
  expect([status, stderr]).toEqual([0, ''])
})
