import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

import { buildProgram } from '../../packages/reporter/src/command/main.ts'

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8')

interface Pipeline {
  readonly receivers: string[]
  readonly processors: string[]
  readonly exporters: string[]
}

describe('the configuration of the OpenTelemetry Collector', () => {
  const config = parse(read('otel-collector.yaml')) as {
    extensions: object
    receivers: object
    processors: object
    exporters: Record<string, { endpoint: string; sending_queue?: { storage: string } }>
    service: { extensions: string[]; pipelines: Record<string, Pipeline> }
  }

  it('defines everything that its pipelines name, and uses everything that it defines', () => {
    const pipelines = Object.values(config.service.pipelines)
    const used = (kind: keyof Pipeline): string[] => [...new Set(pipelines.flatMap((pipeline) => pipeline[kind]))].sort()
    expect(used('receivers')).toEqual(Object.keys(config.receivers).sort())
    expect(used('processors')).toEqual(Object.keys(config.processors).sort())
    expect(used('exporters')).toEqual(Object.keys(config.exporters).sort())
    expect(config.service.extensions).toEqual(Object.keys(config.extensions))
    expect(config.exporters['otlp_http/spanledger']?.sending_queue?.storage).toBe('file_storage')
  })

  it('sends nothing sampled to Spanledger, and exports under the current names', () => {
    const costs = Object.entries(config.service.pipelines).filter(([name]) => name.endsWith('/costs'))
    expect(costs.flatMap(([, { processors }]) => processors).filter((name) => /sampl|batch/.test(name))).toEqual([])
    expect(Object.keys(config.exporters).filter((name) => !/^otlp_(?:http|grpc)\//.test(name))).toEqual([])
  })
})

describe('commands of the examples', () => {
  const compose = parse(read('docker-compose.yaml')) as { services: Record<string, { command: string[]; volumes: string[] }> }
  const lines = [
    ...Object.values(compose.services).map(({ command }) => command.at(-1) ?? ''),
    ...read('spanledger-collect.service').split('\n'),
    ...read('README.md').split('\n'),
  ].flatMap((line) => /spanledger (?:collect|serve|report|tokens) .*$/.exec(line.replaceAll('`', ' '))?.[0] ?? [])

  it.each([...new Set(lines)])('%s: has that command and its options', (line) => {
    const words = line.trim().split(/\s+/).slice(1)
    let command = buildProgram()
    const known = [...command.options]
    for (const word of words) {
      const inner = command.commands.find((one) => one.name() === word)
      if (inner === undefined) break
      command = inner
      known.push(...command.options)
    }
    const options = words.filter((word) => word.startsWith('--'))
    expect(options.filter((option) => !known.some(({ long }) => long === option))).toEqual([])
    expect(command.name()).not.toBe('spanledger')
  })

  it('are some', () => {
    expect(lines.length).toBeGreaterThan(5)
    expect(compose.services['otel-collector']?.volumes[0]).toBe('./otel-collector.yaml:/etc/otelcol/config.yaml:ro')
  })
})
