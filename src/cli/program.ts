/** The command line: which commands there are, and what becomes of an error. */
import { Command, CommanderError } from 'commander'
import { VERSION } from '../node/layout.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { addChannelCommands } from './commands/channels.js'
import { addCheck } from './commands/check.js'
import { addCoins } from './commands/coins.js'
import { addDevnet } from './commands/devnet.js'
import { addInit } from './commands/init.js'
import { addNodeCommands } from './commands/node.js'
import { addOpen, addRenewals } from './commands/open.js'
import { addPsbt } from './commands/psbt.js'
import { addSeedCommands } from './commands/seed.js'
import { addSimulate } from './commands/simulate.js'
import { addWalletCommands } from './commands/wallet.js'
import { addStart } from './commands/start.js'
import { withCommonOptions, type World } from './context.js'
import { EXIT, Exit, EXIT_CODES_HELP, exitCodeOf } from './exit-codes.js'
import { createOutput } from './output.js'

const EXAMPLE = `Two people on one machine:
  paychan devnet                                          a chain to play on
  paychan init --data alice; paychan start --data alice   one node
  paychan init --data bob; paychan start --data bob       another
  paychan devnet fund $(paychan address --data alice) 1000000; paychan devnet mine 1
  paychan open --data alice MULTIADDR-OF-BOB 500000       (and mine a block)
  paychan pay --data alice PEER-ID-OF-BOB 1000 --memo hello

With --json, stdout is exactly one JSON object, {"error":{"code","message","facts"}} if it failed
(\`start\` and \`devnet\`, which keep running: one per line). Amounts are numbers of satoshis; amounts
among the facts of an error are decimal strings.`

/** Also for a line that asks for JSON, and could not be understood. */
export function createProgram (world: World, json = false): Command {
  const program = new Command('paychan')
    .description('Pay your peers over Bitcoin micropayment channels.')
    .version(VERSION)
    .configureOutput({
      writeOut: text => { world.io.stdout.write(text) },
      writeErr: text => { if (!json) world.io.stderr.write(text) },
      // `run` reports it, in the form that was asked for.
      outputError: () => {}
    })
    .exitOverride()
    .addHelpText('after', `\n${EXAMPLE}\n\n${EXIT_CODES_HELP}`)
  withCommonOptions(program)
  addInit(program, world)
  addSeedCommands(program, world)
  addStart(program, world)
  addCheck(program, world)
  addNodeCommands(program, world)
  addWalletCommands(program, world)
  addCoins(program, world)
  addOpen(program, world)
  addRenewals(program, world)
  addPsbt(program, world)
  addChannelCommands(program, world)
  addDevnet(program, world)
  addSimulate(program, world)
  return program
}

/**
 * Runs one command line (without `node` and the script) and resolves with its exit code. Whatever
 * goes wrong is reported; this never rejects.
 */
export async function run (argv: readonly string[], world: World): Promise<number> {
  const json = asksForJson(argv)
  const program = createProgram(world, json)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok // --help, --version
      if (error.code === 'commander.help') return noCommand(world, json)
    }
    if (error instanceof Exit) return error.exitCode
    const reported = error instanceof CommanderError ? usageError(error, nameOf(program, argv)) : error
    createOutput(world.io, json).error(reported)
    return exitCodeOf(codeOf(reported))
  }
}

/** People are shown the help; a program gets its one object. */
function noCommand ({ io }: World, json: boolean): number {
  if (json) createOutput(io, json).error(new PaychanError('ERR_USAGE', 'No command is given. See paychan --help.'))
  return EXIT.usage
}

function usageError (error: CommanderError, command: string): PaychanError {
  const negative = /^error: unknown option '(-[\d.][^']*)'/.exec(error.message)?.[1]
  if (negative !== undefined) return new PaychanError('ERR_INVALID_AMOUNT', `An amount has no sign, and '${negative}' has one. Write 1000, 1000sat or 0.00001btc.`, { text: negative })
  const sentence = error.message.replace(/^error: /, '').replace(/\n/g, ' ')
  const capital = sentence.charAt(0).toUpperCase() + sentence.slice(1)
  return new PaychanError('ERR_USAGE', `${capital}${/[.?)]$/.test(capital) ? '' : '.'} See ${command} --help.`)
}

/** The command that a line asks for, as far as there is one: its help is the one to read. */
function nameOf (program: Command, argv: readonly string[]): string {
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

/** Also when the line could not be understood. */
function asksForJson (argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}
