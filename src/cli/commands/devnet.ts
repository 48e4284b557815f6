/** `paychan devnet`: a chain of one's own for trying things, and the three things that only it can do. */
import type { Command } from 'commander'
import { z } from 'zod'
import { formatAmount, parseAmount } from '../../daemon/amount.js'
import { checkElectrum, DEFAULT_ELECTRUM } from '../../daemon/config.js'
import { PaychanError } from '../../types/errors.js'
import type { Satoshi } from '../../types/units.js'
import { contextOf, wholeNumber, type World } from '../context.js'
import { callDevnet } from '../devnet-client.js'
import { untilInterrupted } from '../interrupt.js'
import type { Output } from '../output.js'

const DEFAULT_PORT = 50_001

const minedSchema = z.object({ height: z.int(), hash: z.string() })
const fundedSchema = z.object({ txid: z.string() })

export function addDevnet (program: Command, world: World): void {
  const devnet = withJson(program.command('devnet').summary('run a development chain with an Electrum server'))
    .description('Runs an embedded regtest chain with an Electrum server on 127.0.0.1 until Ctrl-C. It starts at block 120, mines only when told to (or with --auto-mine), keeps nothing on disk, and its coins are worth nothing.')
    .option('--port <n>', 'the port of the Electrum server', wholeNumber(0), DEFAULT_PORT)
    .option('--auto-mine', 'mine a block whenever a transaction comes in')
    .addHelpText('after', '\nExamples:\n  paychan devnet\n  paychan devnet --auto-mine\n  paychan devnet fund $(paychan address) 0.01btc\n  paychan devnet mine 1\n  paychan devnet reorg 3')
    .action(async ({ port, autoMine = false }: { port: number, autoMine?: boolean }, command: Command) => {
      await runDevnet(world, contextOf(world, command).output, port, autoMine)
    })

  withElectrum(world, devnet.command('mine').summary('mine blocks on a running devnet'))
    .description('Mines blocks on a running devnet, with what waits in its mempool.')
    .argument('[n]', 'how many', wholeNumber(1), 1)
    .addHelpText('after', '\nExample:\n  paychan devnet mine 6')
    .action(async (blocks: number, { electrum }: { electrum: string }, command: Command) => {
      const { output } = contextOf(world, command)
      const { height, hash } = minedSchema.parse(await callDevnet(electrum, 'devnet.mine', [blocks]))
      output.result({ mined: blocks, height, hash }, () => `Mined ${blocks} ${blocks === 1 ? 'block' : 'blocks'}: the chain is at block ${height}.`)
    })

  withElectrum(world, devnet.command('reorg').summary('replace the newest blocks of a running devnet'))
    .description('Replaces the newest blocks of a running devnet by one more than that, as happens when miners find a longer branch. What was in them waits in the mempool again.')
    .argument('<n>', 'how many, 1 to 99', wholeNumber(1))
    .option('--mine', 'the first of the new blocks has their transactions again')
    .option('--drop', 'their transactions are gone, as if nobody had sent them')
    .addHelpText('after', '\nExamples:\n  paychan devnet reorg 3\n  paychan devnet reorg 6 --drop')
    .action(async (depth: number, { electrum, mine = false, drop = false }: { electrum: string, mine?: boolean, drop?: boolean }, command: Command) => {
      const { output } = contextOf(world, command)
      if (mine && drop) throw new PaychanError('ERR_USAGE', 'Transactions are either mined again (--mine) or gone (--drop); choose one.')
      const { height, hash } = minedSchema.parse(await callDevnet(electrum, 'devnet.reorg', [depth, mine ? 'mine' : drop ? 'drop' : 'wait']))
      output.result({ replaced: depth, height, hash }, () => `Replaced ${depth} ${depth === 1 ? 'block' : 'blocks'} by ${depth + 1}: the chain is at block ${height}, ${hash}.`)
    })

  withElectrum(world, devnet.command('fund').summary('send coins of a running devnet to an address'))
    .description('Sends coins of the devnet to a regtest address. The next block confirms them: mine one, unless the devnet runs with --auto-mine.')
    .argument('<address>', 'what `paychan address` shows')
    .argument('<amount>', '1000, 1000sat or 0.00001btc', parseAmount)
    .addHelpText('after', '\nExample:\n  paychan devnet fund bcrt1q... 1000000 && paychan devnet mine 1')
    .action(async (address: string, amount: Satoshi, { electrum }: { electrum: string }, command: Command) => {
      const { output } = contextOf(world, command)
      const { txid } = fundedSchema.parse(await callDevnet(electrum, 'devnet.fund', [address, Number(amount)]))
      output.result({ address, amount, txid }, () => `Sent ${formatAmount(amount)} to ${address} in transaction ${txid}.\nIt is confirmed by the next block: paychan devnet mine 1 (with --auto-mine the devnet mines it by itself).`)
    })
}

function withJson (command: Command): Command {
  return command.option('--json', 'print JSON; amounts are numbers of satoshis')
}

function withElectrum ({ io }: World, command: Command): Command {
  return withJson(command).option('--electrum <url>', 'where the devnet runs, tcp://HOST:PORT (PAYCHAN_ELECTRUM)', electrumUrl, io.env.PAYCHAN_ELECTRUM ?? DEFAULT_ELECTRUM)
}

function electrumUrl (value: string): string {
  checkElectrum({ value, where: '--electrum' })
  if (!value.startsWith('tcp:')) throw new PaychanError('ERR_CONFIG_INVALID', `--electrum: '${value}' is no devnet that this command can talk to: it does so without TLS. Write it like ${DEFAULT_ELECTRUM}.`, { key: 'electrum', where: '--electrum' })
  return value
}

async function runDevnet ({ io }: World, output: Output, port: number, autoMine: boolean): Promise<void> {
  // Loaded only here: the script interpreter takes a while, and no other command needs it.
  const { startDevnet } = await import('../../devnet/index.js')
  const interrupted = untilInterrupted(io)
  try {
    const devnet = await startDevnet({ port, autoMine })
    devnet.on('block', () => {
      const { height, hash } = devnet.tip
      output.line({ event: 'block', height, hash }, colors => `${colors.dim('block')}  ${height}`)
    })
    output.line({ event: 'started', electrum: devnet.url, height: devnet.height }, () =>
      `Devnet at block ${devnet.height}, Electrum server at ${devnet.url}. Stop it with Ctrl-C.\nStart a node with: paychan start --network regtest --electrum ${devnet.url}`)
    await interrupted.signal
    await devnet.stop()
    output.line({ event: 'stopped' }, () => 'Stopped.')
  } finally {
    interrupted.dispose()
  }
}
