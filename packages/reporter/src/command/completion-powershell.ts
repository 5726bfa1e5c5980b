import type { CompletedCommand } from './completion-scripts.ts'

/** For PowerShell 5.1 and later. What may follow is a table of words, each with what it is behind a tab. */
export function powerShellScript(all: readonly CompletedCommand[]): string {
  const options = new Map(all.flatMap((one) => one.options).map(({ word, values }) => [word, values]))
  const values = [...options].flatMap(([word, taken]) => (taken === undefined || taken === 'files' ? [] : [[word, taken] as const]))
  const files = [...options].flatMap(([word, taken]) => (taken === 'files' ? [quoted(word)] : []))
  return `# Completion of spanledger in PowerShell.
Register-ArgumentCompleter -Native -CommandName spanledger -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = @{
${all.map((one) => `    ${quoted(one.path.join(' '))} = @(${offered(one)})`).join('\n')}
  }
  $values = @{
${values.map(([word, taken]) => `    ${quoted(word)} = @(${taken.map((value) => quoted(value)).join(', ')})`).join('\n')}
  }
  # PowerShell itself completes names of files where nothing is offered.
  $files = @(${files.join(', ')})
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.Extent.Text })
  $at = ''
  foreach ($word in $words) {
    $next = "$at $word".Trim()
    if ($commands.ContainsKey($next)) { $at = $next }
  }
  $before = ''
  if ($words.Count -gt 0) { $before = $words[-1] }
  if ($files -contains $before) { return }
  $offered = $commands[$at]
  if ($values.ContainsKey($before)) { $offered = $values[$before] }
  foreach ($line in $offered) {
    $word, $says = $line -split "\`t", 2
    if (-not $says) { $says = $word }
    if ($word.StartsWith($wordToComplete)) {
      [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $says)
    }
  }
}
`
}

function offered({ commands, words, options }: CompletedCommand): string {
  return [...[...commands, ...options].map(({ word, says }) => quoted(`${word}\t${says}`)), ...words.map((word) => quoted(word))].join(', ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
