/** What can follow the words that lead to a command. */
export interface CompletedCommand {
  /** Empty for the program itself. */
  readonly path: readonly string[]
  readonly commands: readonly Word[]
  readonly options: readonly (Word & { readonly values: readonly string[] | 'files' | undefined })[]
  /** What its arguments may be. */
  readonly words: readonly string[]
  readonly takesFiles: boolean
}

interface Word {
  readonly word: string
  readonly says: string
}

/** For bash 3.2 and later, which macOS has. */
export function bashScript(all: readonly CompletedCommand[]): string {
  return `# Completion of spanledger in bash.
_spanledger() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at='' word n
  for ((n = 1; n < COMP_CWORD; n++)); do
    word="\${COMP_WORDS[n]}"
    case "$at/$word" in
${paths(all)
  .map(({ from, word, to }) => `      ${quoted(`${from}/${word}`)}) at=${quoted(to)} ;;`)
  .join('\n')}
    esac
  done
  case "$prev" in
${valueCases(all, bashWords, 'COMPREPLY=($(compgen -f -- "$cur"))')}
  esac
  case "$at" in
${all
  .map(
    (one) =>
      `    ${quoted(one.path.join(' '))}) ${bashWords(wordsOf(one))}${one.takesFiles ? '; COMPREPLY+=($(compgen -f -- "$cur"))' : ''} ;;`,
  )
  .join('\n')}
  esac
}
complete -F _spanledger spanledger
`
}

export function zshScript(all: readonly CompletedCommand[]): string {
  return `#compdef spanledger
# Completion of spanledger in zsh.
_spanledger() {
  local at='' word prev="\${words[CURRENT-1]}"
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at/$word" in
${paths(all)
  .map(({ from, word, to }) => `      ${quoted(`${from}/${word}`)}) at=${quoted(to)} ;;`)
  .join('\n')}
    esac
  done
  case "$prev" in
${valueCases(all, zshWords, '_files')}
  esac
  case "$at" in
${all.map((one) => `    ${quoted(one.path.join(' '))}) ${zshWords(wordsOf(one))}${one.takesFiles ? '; _files' : ''} ;;`).join('\n')}
  esac
}
if [ "$funcstack[1]" = _spanledger ]; then _spanledger "$@"; else compdef _spanledger spanledger; fi
`
}

export function fishScript(all: readonly CompletedCommand[]): string {
  const lines = all.flatMap((one) => {
    const condition = `-n ${quoted(one.path.length === 0 ? '__fish_use_subcommand' : one.path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and '))}`
    return [
      ...one.commands.map(({ word, says }) => `complete -c spanledger ${condition} -a ${quoted(word)} -d ${quoted(says)}`),
      ...(one.words.length === 0 ? [] : [`complete -c spanledger ${condition} -a ${quoted(one.words.join(' '))}`]),
      ...(one.takesFiles ? [`complete -c spanledger ${condition} -F`] : []),
      ...one.options.map(({ word, says, values }) => {
        const taken =
          values === undefined ? '' : values === 'files' ? ' -r -F' : values.length === 0 ? ' -x' : ` -x -a ${quoted(values.join(' '))}`
        return `complete -c spanledger ${condition} -l ${quoted(word.slice(2))}${taken} -d ${quoted(says)}`
      }),
    ]
  })
  return `# Completion of spanledger in fish.\ncomplete -c spanledger -f\n${lines.join('\n')}\n`
}

function bashWords(list: readonly string[]): string {
  return `COMPREPLY=($(compgen -W ${quoted(list.join(' '))} -- "$cur"))`
}

function zshWords(list: readonly string[]): string {
  return list.length === 0 ? ':' : `compadd -- ${list.map(quoted).join(' ')}`
}

/** Where each word leads from a command. */
function paths(all: readonly CompletedCommand[]): { from: string; word: string; to: string }[] {
  return all.flatMap(({ path, commands }) => commands.map(({ word }) => ({ from: path.join(' '), word, to: [...path, word].join(' ') })))
}

function wordsOf({ commands, words, options }: CompletedCommand): string[] {
  return [...commands.map(({ word }) => word), ...words, ...options.map(({ word }) => word)]
}

/** What stands after an option that takes a value; the same option takes the same values everywhere. */
function valueCases(all: readonly CompletedCommand[], words: (list: readonly string[]) => string, filesOf: string): string {
  const values = new Map(all.flatMap(({ options }) => options).map((option) => [option.word, option.values]))
  return [...values]
    .filter(([, taken]) => taken !== undefined)
    .map(([word, taken]) => `    ${quoted(word)}) ${taken === 'files' ? filesOf : words(taken ?? [])}; return ;;`)
    .join('\n')
}

/** A word that a shell takes as it is. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
