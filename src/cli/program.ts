/** The command line: its commands, and the handling of errors. */
import { Command, CommanderError } from 'commander'
import { VERSION } from '../node/system.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { withCommonOptions, type Outside, type World } from './context.js'
import { createOutput, EXIT, Exit, EXIT_CODES_HELP, exitCodeOf, type Output } from './output.js'

const EXAMPLE = `Two people on one machine:
  paychan devnet                                          a chain to play on
  paychan init --data alice; paychan start --data alice   one node
  paychan init --data bob; paychan start --data bob       another
  paychan devnet fund $(paychan address --data alice) 1000000; paychan devnet mine 1
  paychan open --data alice PEER-ADDRESS-OF-BOB 500000    (and mine a block)
  paychan pay --data alice PEER-ID-OF-BOB 1000 --memo hello

With --json, stdout is exactly one JSON object, {"error":{"code","message","facts"}} if it failed
(\`start\` and \`devnet\`, which keep running: one per line). Amounts are numbers of satoshis; amounts
among the facts of an error are decimal strings.`

/** `programFor` makes the program that another line means. */
type Add = (
  program: Command,
  world: World,
  programFor: (argv: readonly string[]) => Promise<Command>
) => void

/**
 * The commands in the order of the help, with their modules: a command line loads only what its
 * verb needs.
 */
export const GROUPS: ReadonlyArray<{
  readonly names: readonly string[]
  readonly load: () => Promise<Add>
}> = [
  { names: ['init'], load: async () => (await import('./commands/seed.js')).addInit },
  {
    names: ['restore', 'recover', 'encrypt', 'decrypt'],
    load: async () => (await import('./commands/seed.js')).addSeedCommands
  },
  { names: ['start'], load: async () => (await import('./commands/start.js')).addStart },
  { names: ['backup'], load: async () => (await import('./commands/seed.js')).addBackup },
  { names: ['check'], load: async () => (await import('./commands/check.js')).addCheck },
  {
    names: ['info', 'address', 'balance', 'connect', 'peers', 'stop'],
    load: async () => (await import('./commands/node.js')).addNodeCommands
  },
  {
    names: ['send', 'bumpfee', 'fees', 'transactions', 'label'],
    load: async () => (await import('./commands/wallet.js')).addWalletCommands
  },
  { names: ['coins'], load: async () => (await import('./commands/wallet.js')).addCoins },
  {
    names: ['open', 'renew', 'topup'],
    load: async () => (await import('./commands/open.js')).addOpenings
  },
  { names: ['psbt'], load: async () => (await import('./commands/psbt.js')).addPsbt },
  {
    names: ['pay', 'channels', 'channel', 'close', 'settle'],
    load: async () => (await import('./commands/channels.js')).addChannelCommands
  },
  {
    names: ['payments', 'payment'],
    load: async () => (await import('./commands/payments.js')).addPaymentCommands
  },
  {
    names: ['request', 'requests', 'receipt'],
    load: async () => (await import('./commands/requests.js')).addRequests
  },
  {
    names: ['gate', 'fetch', 'credential'],
    load: async () => (await import('./commands/metering.js')).addMetering
  },
  { names: ['token'], load: async () => (await import('./commands/token.js')).addToken },
  { names: ['webhook'], load: async () => (await import('./commands/webhook.js')).addWebhook },
  { names: ['alias'], load: async () => (await import('./commands/node.js')).addAlias },
  {
    names: ['completion'],
    load: async () => (await import('./commands/completion.js')).addCompletion
  },
  { names: ['devnet'], load: async () => (await import('./commands/devnet.js')).addDevnet },
  { names: ['simulate'], load: async () => (await import('./commands/simulate.js')).addSimulate }
]

/**
 * The program with the commands that a line may mean: the named one, none to print the version,
 * else all.
 */
export async function createProgram(world: World, argv: readonly string[] = []): Promise<Command> {
  const {
    io,
    output: { json }
  } = world
  const program = new Command('paychan')
    .description('Pay your peers over Bitcoin micropayment channels.')
    .version(VERSION)
    .configureOutput({
      writeOut: (text) => {
        io.stdout.write(text)
      },
      // Also for a line that asks for JSON and could not be parsed.
      writeErr: (text) => {
        if (!json) io.stderr.write(text)
      },
      // `run` reports it, in the form that was asked for.
      outputError: () => {}
    })
    .exitOverride()
    .addHelpText('after', `\n${EXAMPLE}\n\n${EXIT_CODES_HELP}`)
  withCommonOptions(program)
  for (const add of await Promise.all(groupsFor(argv).map(async ({ load }) => await load()))) {
    add(program, world, async (line) => await createProgram(world, line))
  }
  return program
}

function groupsFor(argv: readonly string[]): typeof GROUPS {
  const word = firstWord(argv)
  const named = GROUPS.filter(({ names }) => word !== undefined && names.includes(word))
  if (named.length > 0) return named
  return word === undefined && argv.some((option) => option === '--version' || option === '-V')
    ? []
    : GROUPS
}

/** The first word that is neither an option nor the directory behind `--data`. */
function firstWord(argv: readonly string[]): string | undefined {
  return argv.find((word, i) => !word.startsWith('-') && argv[i - 1] !== '--data')
}

/**
 * Runs one command line (without `node` and the script) and resolves with its exit code. Reports
 * every error; never rejects.
 */
export async function run(argv: readonly string[], outside: Outside): Promise<number> {
  const output = createOutput(outside.io, asksForJson(argv))
  const program = await createProgram({ ...outside, output }, argv)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok // --help, --version
      if (error.code === 'commander.help') return noCommand(output)
    }
    if (error instanceof Exit) return error.exitCode
    const reported =
      error instanceof CommanderError ? usageError(error, nameOf(program, argv)) : error
    output.error(reported)
    return exitCodeOf(codeOf(reported))
  }
}

/** People are shown the help; a program gets its one object. */
function noCommand(output: Output): number {
  if (output.json) {
    output.error(new PaychanError('ERR_USAGE', 'No command is given. See paychan --help.'))
  }
  return EXIT.usage
}

function usageError(error: CommanderError, command: string): PaychanError {
  const negative = /^error: unknown option '(-[\d.][^']*)'/.exec(error.message)?.[1]
  if (negative !== undefined) {
    return new PaychanError(
      'ERR_INVALID_AMOUNT',
      `An amount has no sign, and '${negative}' has one. Write 1000, 1000sat or 0.00001btc.`,
      { text: negative }
    )
  }
  const sentence = error.message.replace(/^error: /, '').replace(/\n/g, ' ')
  const capital = sentence.charAt(0).toUpperCase() + sentence.slice(1)
  return new PaychanError(
    'ERR_USAGE',
    `${capital}${/[.?)]$/.test(capital) ? '' : '.'} See ${command} --help.`
  )
}

/** The name of the command that a line asks for, if there is one: its help is shown. */
function nameOf(program: Command, argv: readonly string[]): string {
  const names = [program.name()]
  let commands = program.commands
  for (const word of argv) {
    const command = commands.find((command) => command.name() === word)
    if (command === undefined) continue
    names.push(word)
    commands = command.commands
  }
  return names.join(' ')
}

/** True for a line that asks for JSON, even if it could not be parsed. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}
