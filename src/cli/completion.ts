/**
 * What may come next on a line of `paychan`, from the commands themselves: their verbs, options,
 * choices, and the names of their arguments, which say what is to be filled in. And the scripts by
 * which shells ask for it.
 */
import type { Argument, Command, Option } from 'commander'

/** A proposal as a shell shows it; `what` is said beside it, where the shell can. */
export interface Candidate {
  readonly text: string
  readonly what: string
}

/** Kinds of values that this node, or the disk, can name. */
const KINDS = ['peer', 'channel', 'file', 'dir'] as const
export type ValueKind = (typeof KINDS)[number]

export interface Completion {
  readonly candidates: readonly Candidate[]
  /** Other words that may stand there. */
  readonly values: ReadonlySet<ValueKind>
}

/** Names of arguments that are the path of a file, or may be. */
const FILES = ['file', 'psbt', 'scenario']

/**
 * What may stand in the place of the last word.
 *
 * @param words - the line behind the program's name; the last word is being typed, and may be empty
 */
export function complete(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? ''
  const { command, option, operands, given, isOperandsOnly } = walk(program, words.slice(0, -1))
  if (option !== undefined) return valueOf(option, typed)
  if (typed.startsWith('-') && !isOperandsOnly) return optionsOf(command, given, typed)
  const argument = argumentAt(command, operands)
  const place: Completion =
    argument === undefined ? { candidates: [], values: new Set() } : valueOf(argument, typed)
  return {
    candidates: [
      ...command
        .createHelp()
        .visibleCommands(command)
        .map((each): Candidate => ({ text: each.name(), what: each.summary() }))
        .filter(({ text }) => operands === 0 && text.startsWith(typed)),
      ...place.candidates
    ],
    values: place.values
  }
}

/** The state of a line: its command, the option that waits for a value, and what it has so far. */
function walk(
  program: Command,
  words: readonly string[]
): {
  readonly command: Command
  readonly option: Option | undefined
  readonly operands: number
  readonly given: ReadonlySet<Option>
  readonly isOperandsOnly: boolean
} {
  let [command, operands, isOperandsOnly] = [program, 0, false]
  let option: Option | undefined
  const given = new Set<Option>()
  for (const word of words) {
    if (option !== undefined) {
      option = undefined
    } else if (word === '--') {
      isOperandsOnly = true
    } else if (word.startsWith('-') && !isOperandsOnly) {
      const named = command.options.find(({ long, short }) => {
        const name = word.split('=')[0]
        return name === long || name === short
      })
      if (named !== undefined) given.add(named)
      // What may have a value may as well be followed by something else.
      option = named?.required === true && !word.includes('=') ? named : undefined
    } else {
      const sub = operands === 0 ? command.commands.find((each) => each.name() === word) : undefined
      if (sub === undefined) operands += 1
      else command = sub
    }
  }
  return { command, option, operands, given, isOperandsOnly }
}

function argumentAt(command: Command, at: number): Argument | undefined {
  const { registeredArguments } = command
  const last = registeredArguments.at(-1)
  return registeredArguments[at] ?? (last?.variadic === true ? last : undefined)
}

function optionsOf(command: Command, given: ReadonlySet<Option>, typed: string): Completion {
  const candidates = command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => option.variadic || option.long === '--coin' || !given.has(option))
    .map(({ long, short, description }) => ({ text: long ?? short ?? '', what: description }))
    .filter(({ text }) => text.startsWith(typed))
  return { candidates, values: new Set() }
}

/** The choices, and the kinds that the name of a value has: `<peer|channel|request>`. */
function valueOf(of: Argument | Option, typed: string): Completion {
  const name = 'flags' in of ? (/[<[]([^>\]]+)/.exec(of.flags)?.[1] ?? '') : of.name()
  const kinds = name.split('|').map((kind) => {
    const bare = kind.replace(/\.{3}$/, '')
    return FILES.includes(bare) ? 'file' : bare
  })
  return {
    candidates: (of.argChoices ?? [])
      .filter((choice) => choice.startsWith(typed))
      .map((text) => ({ text, what: '' })),
    values: new Set(KINDS.filter((kind) => kinds.includes(kind)))
  }
}

/** Lines that ask a shell for names on the disk. */
const PATHS: Readonly<Partial<Record<ValueKind, string>>> = { file: ':files', dir: ':directories' }

/** A completion as the scripts read it: one candidate a line, a tab, and what it is. */
export function linesOf({ candidates, values }: Completion): string {
  const lines = [
    ...candidates.map(({ text, what }) => `${text}\t${what.replace(/\s+/g, ' ')}`),
    ...[...values].flatMap((kind) => PATHS[kind] ?? [])
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/* The scripts ask `paychan completion words -- WORD...` each time: they have no list of their own. */

const BASH = `# Completion for paychan in bash: source <(paychan completion bash)
_paychan() {
  local word="\${COMP_WORDS[COMP_CWORD]}" line
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :files) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word") ;;
      :directories) compopt -o filenames; mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$word") ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(paychan completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _paychan paychan
`

const ZSH = `#compdef paychan
# Completion for paychan in zsh: source <(paychan completion zsh)
_paychan() {
  local line
  local -a found
  for line in "\${(@f)$(paychan completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      '') ;;
      :files) _files ;;
      :directories) _files -/ ;;
      *) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  (( \${#found} )) && _describe 'paychan' found
}
compdef _paychan paychan
`

const FISH = `# Completion for paychan in fish: paychan completion fish | source
function __paychan_complete
    set -l before (commandline -opc)
    set -l word (commandline -ct)
    for line in (paychan completion words -- $before[2..-1] "$word" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$word"
            case ':directories'
                __fish_complete_directories "$word"
            case '*'
                echo $line
        end
    end
end
complete -c paychan -f -a '(__paychan_complete)'
`

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const
