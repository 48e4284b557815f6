/** `paychan completion`: for the shell's Tab key. */
import { Argument, type Command } from 'commander'
import type { ApiClient } from '../../daemon/client.js'
import { type Candidate, complete, linesOf, SCRIPTS, type ValueKind } from '../completion.js'
import { contextOf, withCommonOptions, type Context, type World } from '../context.js'
import { shortChannel } from '../../words/text.js'

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
