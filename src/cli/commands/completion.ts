import type { Command } from 'commander'
import { define } from '../define.ts'
import { wrongUse } from '../exit.ts'
import { print } from '../io.ts'

/** What a program offers, and how to look into it. */
export type CommandTable = Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>>

export function completionOf(table: CommandTable): Command {
  return define('completion', 'Print completions for a shell.', [
    'source <(sluice completion bash)',
    'sluice completion zsh > ~/.zfunc/_sluice',
    'sluice completion fish > ~/.config/fish/completions/sluice.fish',
  ])
    .argument('<shell>', 'bash, zsh or fish')
    .action(async (shell: string) => {
      const script = { bash, zsh, fish }[shell]
      if (script === undefined) throw wrongUse(`Completions are for bash, zsh and fish, and not for ${shell}.`)
      print(script(await describe(table)))
    })
}

interface Described {
  readonly name: string
  readonly summary: string
  /** Subcommands and options. */
  readonly words: readonly string[]
}

async function describe(table: CommandTable): Promise<Described[]> {
  return Promise.all(
    Object.entries(table).map(async ([name, { summary, load }]) => {
      const words = name === 'completion' ? ['bash', 'zsh', 'fish'] : wordsOf(await load())
      return { name, summary, words: [...words, '--help'] }
    }),
  )
}

function wordsOf(command: Command): string[] {
  const inner = command.commands.flatMap((one) => [one.name(), ...wordsOf(one)])
  const options = command.options.flatMap(({ long }) => (long == null ? [] : [long]))
  return [...new Set([...inner, ...options])]
}

function bash(described: readonly Described[]): string {
  const cases = described.map(({ name, words }) => `    ${name}) words='${words.join(' ')}' ;;`).join('\n')
  return `_sluice() {
  local words current="\${COMP_WORDS[COMP_CWORD]}"
  case "\${COMP_WORDS[1]}" in
${cases}
    *) words='${described.map(({ name }) => name).join(' ')}' ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words='${described.map(({ name }) => name).join(' ')}'; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _sluice sluice`
}

function zsh(described: readonly Described[]): string {
  const names = described.map(({ name, summary }) => `    '${name}:${summary.replaceAll("'", "'\\''")}'`).join('\n')
  const cases = described.map(({ name, words }) => `    ${name}) compadd -- ${words.join(' ')} ;;`).join('\n')
  return `#compdef sluice
_sluice() {
  local -a commands=(
${names}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "$words[2]" in
${cases}
  esac
  _files
}
compdef _sluice sluice`
}

function fish(described: readonly Described[]): string {
  const lines = described.flatMap(({ name, summary, words }) => [
    `complete -c sluice -n __fish_use_subcommand -a ${name} -d '${summary.replaceAll("'", "\\'")}'`,
    ...words.map((word) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
      return `complete -c sluice -n '__fish_seen_subcommand_from ${name}' ${what}`
    }),
  ])
  return lines.join('\n')
}
