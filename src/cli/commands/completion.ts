/** `paychan completion`: for the shell's Tab key. */
import { Argument, type Command, type Option } from 'commander'
import type { ApiClient } from '../../daemon/client.js'
import { shortChannel } from '../../words/text.js'
import { type Context, contextOf, withCommonOptions, type World } from '../context.js'

/*
 * What may come next on a line of `paychan`, from the commands themselves: their verbs, options,
 * choices, and the names of their arguments, which say what is to be filled in. And the scripts by
 * which shells ask for it.
 */

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

/** Milliseconds that a person who has pressed Tab waits for a node; then there are no names. */
const ASK_MS = 500

export function addCompletion(
  program: Command,
  world: World,
  programFor: (argv: readonly string[]) => Promise<Command>
): void {
  const completion = withCommonOptions(
    program.command('completion').summary('completion for bash, zsh and fish')
  )
    .description(
      'Prints a script for a shell, which then completes verbs, options, names of peers, channels and files. It asks `paychan` itself for them each time, so it is never out of date; names and channels come from the node, when one runs and answers at once.'
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(paychan completion bash)     (in ~/.bashrc)\n  source <(paychan completion zsh)      (in ~/.zshrc, behind compinit)\n  paychan completion fish > ~/.config/fish/completions/paychan.fish'
    )
    .action((shell: keyof typeof SCRIPTS, _options: object, command: Command) => {
      const { output } = contextOf(world, command)
      if (output.json) output.result({ shell, script: SCRIPTS[shell] }, String)
      else output.text(SCRIPTS[shell])
    })

  completion
    .command('words', { hidden: true })
    .description('What may stand in the place of the last word; the scripts ask for it.')
    .argument('[word...]')
    .action(async (words: readonly string[], _options: object, command: Command) => {
      // With a single word that is being typed, any verb is meant.
      const known = await programFor(words.length > 1 ? words : [])
      const { candidates, values } = complete(known, words)
      const named = await namesOf(contextFor(world, command, words), values, words.at(-1) ?? '')
      world.output.text(linesOf({ candidates: [...candidates, ...named], values }))
    })
}

/** The data directory is the one that the line names. */
function contextFor(world: World, command: Command, words: readonly string[]): Context {
  const at = words.lastIndexOf('--data')
  const named = at === -1 || at + 2 > words.length - 1 ? undefined : words[at + 1]
  const context = contextOf(world, command)
  return named === undefined ? context : { ...context, dataDir: named }
}

/** Names of peers, and channels, from the node. None when it does not answer at once. */
async function namesOf(
  { dataDir, io }: Context,
  values: ReadonlySet<ValueKind>,
  typed: string
): Promise<readonly Candidate[]> {
  const asked = [...values].flatMap((kind) => NAMES[kind] ?? [])
  if (asked.length === 0) return []
  const [{ connectApi }, { dataPaths }] = await Promise.all([
    import('../../daemon/client.js'),
    import('../../daemon/paths.js')
  ])
  const node = connectApi(dataPaths(dataDir).socket)
  let cancel = (): void => {}
  try {
    const late = new Promise<readonly Candidate[]>((resolve) => {
      cancel = io.after(ASK_MS, () => {
        resolve([])
      })
    })
    const all = Promise.all(asked.map(async (list) => await list(node))).then((lists) =>
      lists.flat()
    )
    const found = await Promise.race([all, late])
    return found.filter(({ text }) => text.startsWith(typed))
  } catch {
    // Nobody wants an error in the middle of a line.
    return []
  } finally {
    cancel()
    node.disconnect()
  }
}

type List = (node: ApiClient) => Promise<readonly Candidate[]>

const NAMES: Readonly<Partial<Record<ValueKind, List>>> = {
  peer: async (node) =>
    (await node.peers.aliases()).map(({ name, peerId }) => ({ text: name, what: peerId })),
  channel: async (node) =>
    (await node.channels.list()).map(({ id, status, peerId }) => ({
      text: shortChannel(id),
      what: `${status}, ${peerId}`
    }))
}
