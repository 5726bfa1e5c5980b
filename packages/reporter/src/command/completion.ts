import { metricNames, columnDimensions, reportList, segments } from '@spanledger/analytics'
import { Argument, type Command } from 'commander'

import { bashScript, fishScript, zshScript, type CompletedCommand } from './completion-scripts.ts'
import { powerShellScript } from './completion-powershell.ts'
import { optionsOf, withIo } from './globals.ts'

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript, pwsh: powerShellScript } as const

/** Words that options and arguments take and that commander does not know. */
const dimensions = Object.keys(columnDimensions)
const wordsFor: Readonly<Record<string, readonly string[]>> = {
  name: reportList.map(({ name }) => name),
  '--by': dimensions,
  '--columns': metricNames,
  '--metrics': metricNames,
  '--sort': metricNames,
  '--segment': segments,
}
const files: ReadonlySet<string> = new Set(['--store', '--out', '--prices', '--segments', '--spool', '--tiers', 'file', 'files'])

export function addCompletion(program: Command): void {
  const command = program
    .command('completion')
    .description('write a script that completes commands, options and their values in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(shells)))
    .addHelpText(
      'after',
      `
Examples:
  spanledger completion bash > ~/.local/share/bash-completion/completions/spanledger
  spanledger completion zsh > ~/.zfunc/_spanledger        (with ~/.zfunc in fpath)
  spanledger completion fish > ~/.config/fish/completions/spanledger.fish
  spanledger completion pwsh >> $PROFILE`,
    )
    .action(async (shell: keyof typeof shells) => {
      await withIo(optionsOf(command), (io) => io.out(shells[shell](completedCommands(program))))
    })
}

/** Every command by the words that lead to it, the program itself by none. */
function completedCommands(command: Command, path: readonly string[] = [], inherited: readonly Option[] = []): CompletedCommand[] {
  const own = command.options.filter(({ hidden, long }) => !hidden && long !== undefined)
  const options = [...own, ...inherited]
  const visible = command.commands.filter((inner) => inner.name() !== 'help')
  return [
    {
      path,
      commands: visible.map((inner) => ({ word: inner.name(), says: inner.description() })),
      options: [...options.map(toCompleted), { word: '--help', says: 'show help', values: undefined }],
      words: command.registeredArguments.flatMap((argument) => [...(argument.argChoices ?? wordsFor[argument.name()] ?? [])]),
      takesFiles: command.registeredArguments.some((argument) => files.has(argument.name())),
    },
    ...visible.flatMap((inner) => completedCommands(inner, [...path, inner.name()], options)),
  ]
}

type Option = Command['options'][number]

function toCompleted({ long, description, required, optional, argChoices }: Option): CompletedCommand['options'][number] {
  const word = long ?? ''
  if (!required && !optional) return { word, says: description, values: undefined }
  return { word, says: description, values: files.has(word) ? 'files' : (argChoices ?? wordsFor[word] ?? []) }
}
