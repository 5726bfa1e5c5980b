import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { columnDimensions, metricNames, numberFields, otherDimensions, reportList, segments, userColumns } from '@spanledger/analytics'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'

import { counterWords } from '../src/command/findings.ts'
import { buildProgram } from '../src/command/main.ts'
import { targets } from '../src/import/column-map.ts'
import { refusalReasons } from '../src/import/refusal.ts'

const read = (name: string): string => readFileSync(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), 'utf8')
const cli = read('cli.md')
const reports = read('reports.md')

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

/** Names of which a text says nothing in code type. */
function missingFrom(text: string, names: readonly string[]): string[] {
  return names.filter((name) => !new RegExp(`\`[^\`\\n]*(?<![\\w:])${name.replaceAll(/[-:]/g, '\\$&')}(?![\\w])`).test(text))
}

describe('the documentation names', () => {
  it('every command and option', () => {
    const commands = everyCommand(buildProgram())
    expect(
      missingFrom(
        cli,
        commands.slice(1).map((command) => command.name()),
      ),
    ).toEqual([])
    expect(missingFrom(cli, [...new Set(commands.flatMap(({ options }) => options.map(({ long }) => long ?? '')))])).toEqual([])
  })

  it('every report, metric, dimension and segment', () => {
    expect(
      missingFrom(
        reports,
        reportList.map(({ name }) => name),
      ),
    ).toEqual([])
    expect(missingFrom(reports, [...metricNames, ...Object.keys(userColumns), ...Object.keys(numberFields)])).toEqual([])
    expect(missingFrom(reports, [...Object.keys(columnDimensions), ...Object.keys(otherDimensions), ...segments])).toEqual([])
  })

  it('every target of a column, and every reason why a record is refused', () => {
    expect(missingFrom(read('import.md'), Object.keys(targets))).toEqual([])
    expect(missingFrom(read('bad-input.md'), refusalReasons)).toEqual([])
  })

  it('an example for every command', () => {
    for (const command of everyCommand(buildProgram()).filter(({ commands }) => commands.length === 0)) {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) })
      command.outputHelp()
      expect(help).toMatch(new RegExp(`Examples?:\\n {2}.*${wordsOf(command).join(' ')}`))
    }
  })
})

/** What is typed to run a command, from `spanledger` on. */
function wordsOf(command: Command): string[] {
  return [...(command.parent === null ? [] : wordsOf(command.parent)), command.name()]
}

it('doctor has words for every counter that the documentation names, and names every counter that it has words for', () => {
  const sections = read('bad-input.md')
    .split(/^## /m)
    .filter((section) => !/^(?:In files that are imported|Traits of users)/.test(section))
  const cells = sections.flatMap((section) => Array.from(section.matchAll(/^\|.*\|([^|]*)\|$/gm), ([, cell = '']) => cell))
  const counters = cells.flatMap((cell) => Array.from(cell.matchAll(/`([a-z_]+)`/g), ([, name = '']) => name))
  expect(counters.length).toBeGreaterThan(30)
  expect([...new Set(counters)].toSorted()).toEqual(Object.keys(counterWords).toSorted())
})
