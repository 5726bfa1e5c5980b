import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { run, temporaryFolder } from './run-command.ts'

const folder = temporaryFolder()
beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish', 'pwsh'])
    writeFileSync(join(folder, shell === 'pwsh' ? 'pwsh.ps1' : shell), (await run(['completion', shell])).out)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Asks a shell itself what may follow. */
const asking: Readonly<Record<string, (line: readonly string[]) => string>> = {
  bash: (line) => `source ${folder}/bash
    COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${line.length - 1}; _spanledger; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // zsh offers words to an editor; here they are printed.
  zsh: (line) => `compdef() { :; }; compadd() { shift; print -rl -- "$@" }; _files() { print FILES }
    source ${folder}/zsh; words=(${line.map((word) => `'${word}'`).join(' ')}); CURRENT=${line.length}; _spanledger`,
  pwsh: (line) => `. ${folder}/pwsh.ps1; $line = '${line.join(' ')}'; (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText`,
  fish: (line) => `source ${folder}/fish; complete -C '${line.join(' ')}'`,
}

const present = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0

function follow(shell: string, ...line: string[]): string[] {
  const { stdout, stderr, status } = spawnSync(shell, [...(shell === 'zsh' ? ['-f'] : []), '-c', asking[shell]?.(line) ?? ''], {
    encoding: 'utf8',
    cwd: folder,
  })
  expect([stderr, status]).toEqual(['', 0])
  return stdout.split('\n').map((text) => text.split('\t')[0] ?? '')
}

describe.each(['bash', 'zsh', 'fish', 'pwsh'])('in %s', (shell) => {
  it.skipIf(!present(shell))('commands, options and their values are completed', () => {
    const isOffered = (word: string, ...line: string[]): boolean => follow(shell, ...line).includes(word)
    expect(isOffered('report', 'spanledger', '')).toBe(true)
    expect(isOffered('users', 'spanledger', 'report', '')).toBe(true)
    expect(isOffered('report', 'spanledger', 'report', '')).toBe(false)
    expect(isOffered('--having', 'spanledger', 'report', 'users', '--')).toBe(true)
    expect(isOffered('--having', 'spanledger', 'verify', '--')).toBe(false)
    expect(isOffered('ndjson', 'spanledger', 'report', 'users', '--format', '')).toBe(true)
    expect(isOffered('at_risk', 'spanledger', 'report', 'users', '--segment', '')).toBe(true)
    expect(isOffered('explain', 'spanledger', 'prices', '')).toBe(true)
  })
})

it('the tables of PowerShell have every command with its words, and the values of options', () => {
  const script = readFileSync(join(folder, 'pwsh.ps1'), 'utf8')
  const rows = new Map(
    Array.from(script.matchAll(/^ {4}'([^']*)' = @\((.*)\)$/gm), ([, name = '', list = '']) => [
      name,
      Array.from(list.matchAll(/'((?:[^']|'')*)'/g), ([, text = '']) => text.split('\t')[0]),
    ]),
  )
  expect(rows.get('')).toEqual(expect.arrayContaining(['report', 'users', '--store', '--help']))
  expect(rows.get('report')).toEqual(expect.arrayContaining(['users', '--having']))
  expect(rows.get('verify')).not.toContain('--having')
  expect(rows.get('prices explain')).toContain('--tier')
  expect(rows.get('--format')).toEqual(['table', 'json', 'ndjson', 'csv', 'tsv', 'md', 'html', 'parquet'])
  expect(script).toMatch(/\$files = @\('--store', .*'--out'/)
  // A quote in a text is written twice, so they come in pairs in every line of a table.
  for (const line of script.split('\n').filter((text) => text.startsWith("    '"))) expect(line.split("'").length % 2).toBe(1)
})

it('another shell is refused', async () => {
  const { code, out, err } = await run(['completion', 'tcsh'])
  expect([code, out]).toEqual([2, ''])
  expect(err).toContain('Allowed choices are bash, zsh, fish, pwsh')
})
