/**
 * `paychan devnet`: a chain of one's own for trying things, and the three things that only it can
 * do.
 */
import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { createConnection, type Socket } from 'node:net'
import { parseAmount } from '../../types/amount.js'
import { formatAmount } from '../../types/units.js'
import { checkElectrum, DEFAULT_ELECTRUM, devnetOption } from '../../daemon/config-schema.js'
import { withoutUndefined } from '../../daemon/wire.js'
import type { Trace } from '../../devnet/index.js'
import { type CoreRelease, RELEASES } from '../../devnet/rules.js'
import { messageOf, PaychanError } from '../../types/errors.js'
import type { Satoshi } from '../../types/units.js'
import { contextOf, wholeNumber, type World } from '../context.js'
import { type Output, untilInterrupted } from '../output.js'
import type { NamedNode } from './devnet-nodes.js'
import { shortChannel } from '../../words/text.js'

const DEFAULT_PORT = 50_001
/** A tenth of a block of Bitcoin: the load has to sign less for it. */
const LOADED_BLOCK_WEIGHT = 400_000

const minedSchema = z.object({ height: z.int(), hash: z.string() })
const fundedSchema = z.object({ txid: z.string() })

export function addDevnet(program: Command, world: World): void {
  const devnet = withJson(
    program.command('devnet').summary('run a development chain with an Electrum server')
  )
    .description(
      'Runs an embedded regtest chain with an Electrum server on 127.0.0.1 until Ctrl-C. It starts at block 120, mines only when told to (or with --auto-mine), keeps nothing on disk, and its coins are worth nothing.'
    )
    .option('--port <n>', 'the port of the Electrum server', wholeNumber(0), DEFAULT_PORT)
    .option('--auto-mine', 'mine a block whenever a transaction comes in')
    .option(
      '--bitcoind <url>',
      'show the chain of this bitcoind on regtest instead, http://USER:PASSWORD@HOST:PORT'
    )
    .option(
      '--nodes <names>',
      'also start nodes of these names, such as alice,bob: each with coins, and a channel to the next',
      nodeNames
    )
    .option('--data <dir>', 'with --nodes: where their data goes (default: nowhere that stays)')
    .option(
      '--block-weight <n>',
      'how much weight the transactions of a block may have (4,000,000; 400,000 with a load)',
      wholeNumber(10_000)
    )
    .option('--mempool-vsize <n>', 'how many virtual bytes the mempool holds', wholeNumber(10_000))
    .option(
      '--core <release>',
      'follow the mempool rules of this release of Bitcoin Core: 28 (the default), 30, which relays from 0.1 sat/vB on, or 31, which has clusters as well',
      coreRelease
    )
    .option(
      '--load',
      'keep the blocks full of other transactions, at the fee rates of a congested month'
    )
    .option(
      '--trace <file>',
      'the same at the rates of a file with lines of height,feerate (sat/vB)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan devnet\n  paychan devnet --auto-mine\n  paychan devnet --nodes alice,bob --auto-mine\n  paychan devnet fund $(paychan address) 0.01btc\n  paychan devnet mine 1\n  paychan devnet reorg 3\n  paychan devnet --bitcoind http://me:secret@127.0.0.1:18443\n  paychan devnet --load --block-weight 100000 --mempool-vsize 100000'
    )
    .action(async (_options: object, command: Command) => {
      // `--data` is an option of all commands.
      const flags = command.optsWithGlobals<DevnetFlags>()
      await runDevnet(world, contextOf(world, command).output, flags)
    })

  withJson(devnet.command('trace').summary('print the fee rates of a congested month'))
    .description(
      'Prints lines of height,feerate (sat/vB): what it takes to be in the next block, over 30 days of 144 blocks. Change them, and give them to `paychan devnet --trace FILE`.'
    )
    .option('--seed <n>', 'another month', wholeNumber(0), 1)
    .addHelpText('after', '\nExample:\n  paychan devnet trace > month.csv')
    .action(async ({ seed }: { seed: number }, command: Command) => {
      const { congestedMonth, formatTrace } = await import('../../devnet/index.js')
      const trace = congestedMonth(seed)
      contextOf(world, command).output.result(
        { trace: trace.map(({ height, rate }) => ({ height, satPerVByte: Number(rate) / 1_000 })) },
        () => formatTrace(trace)
      )
    })

  withElectrum(world, devnet.command('mine').summary('mine blocks on a running devnet'))
    .description('Mines blocks on a running devnet, with what waits in its mempool.')
    .argument('[n]', 'how many', wholeNumber(1), 1)
    .addHelpText('after', '\nExample:\n  paychan devnet mine 6')
    .action(async (blocks: number, { electrum }: { electrum: string }, command: Command) => {
      const { output } = contextOf(world, command)
      const { height, hash } = minedSchema.parse(
        await callDevnet(electrum, 'devnet.mine', [blocks])
      )
      output.result(
        { mined: blocks, height, hash },
        () =>
          `Mined ${blocks} ${blocks === 1 ? 'block' : 'blocks'}: the chain is at block ${height}.`
      )
    })

  withElectrum(
    world,
    devnet.command('reorg').summary('replace the newest blocks of a running devnet')
  )
    .description(
      'Replaces the newest blocks of a running devnet by one more than that, as happens when miners find a longer branch. What was in them waits in the mempool again.'
    )
    .argument('<n>', 'how many, 1 to 99', wholeNumber(1))
    .option('--mine', 'the first of the new blocks has their transactions again')
    .option('--drop', 'their transactions are gone, as if nobody had sent them')
    .addHelpText('after', '\nExamples:\n  paychan devnet reorg 3\n  paychan devnet reorg 6 --drop')
    .action(
      async (
        depth: number,
        {
          electrum,
          mine = false,
          drop = false
        }: { electrum: string; mine?: boolean; drop?: boolean },
        command: Command
      ) => {
        const { output } = contextOf(world, command)
        if (mine && drop) {
          throw new PaychanError(
            'ERR_USAGE',
            'Transactions are either mined again (--mine) or gone (--drop); choose one.'
          )
        }
        const { height, hash } = minedSchema.parse(
          await callDevnet(electrum, 'devnet.reorg', [
            depth,
            mine ? 'mine' : drop ? 'drop' : 'wait'
          ])
        )
        output.result(
          { replaced: depth, height, hash },
          () =>
            `Replaced ${depth} ${depth === 1 ? 'block' : 'blocks'} by ${depth + 1}: the chain is at block ${height}, ${hash}.`
        )
      }
    )

  withElectrum(
    world,
    devnet.command('fund').summary('send coins of a running devnet to an address')
  )
    .description(
      'Sends coins of the devnet to a regtest address. The next block confirms them: mine one, unless the devnet runs with --auto-mine.'
    )
    .argument('<address>', 'what `paychan address` shows')
    .argument('<amount>', '1000, 1000sat or 0.00001btc', parseAmount)
    .addHelpText(
      'after',
      '\nExample:\n  paychan devnet fund bcrt1q... 1000000 && paychan devnet mine 1'
    )
    .action(
      async (
        address: string,
        amount: Satoshi,
        { electrum }: { electrum: string },
        command: Command
      ) => {
        const { output } = contextOf(world, command)
        const { txid } = fundedSchema.parse(
          await callDevnet(electrum, 'devnet.fund', [address, Number(amount)])
        )
        output.result(
          { address, amount, txid },
          () =>
            `Sent ${formatAmount(amount)} to ${address}\nin transaction ${txid}.\nThe next block confirms it: paychan devnet mine 1${devnetOption(electrum)}\n(with --auto-mine the devnet mines it by itself).`
        )
      }
    )
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON; amounts are numbers of satoshis')
}

function withElectrum({ io }: World, command: Command): Command {
  return withJson(command).option(
    '--electrum <url>',
    'where the devnet runs, tcp://HOST:PORT (PAYCHAN_ELECTRUM)',
    electrumUrl,
    io.env.PAYCHAN_ELECTRUM ?? DEFAULT_ELECTRUM
  )
}

function electrumUrl(value: string): string {
  checkElectrum({ value, where: '--electrum' })
  if (!value.startsWith('tcp:')) {
    throw new PaychanError(
      'ERR_CONFIG_INVALID',
      `--electrum: '${value}' is not a devnet that this command can talk to: it does so without TLS. Write it like ${DEFAULT_ELECTRUM}.`,
      { key: 'electrum', where: '--electrum' }
    )
  }
  return value
}

interface DevnetFlags {
  readonly port: number
  readonly autoMine?: true
  readonly blockWeight?: number
  readonly mempoolVsize?: number
  readonly core?: CoreRelease
  readonly load?: true
  readonly trace?: string
  readonly bitcoind?: string
  readonly nodes?: readonly string[]
  readonly data?: string
}

/**
 * The rates of a file, or of the program's own trace.
 *
 * @throws PaychanError `ERR_INVALID_TRACE`, `ERR_NO_TRACE`
 */
async function traceOf({ load, trace }: DevnetFlags): Promise<Trace | undefined> {
  const { congestedMonth, parseTrace } = await import('../../devnet/index.js')
  if (trace === undefined) return load === true ? congestedMonth() : undefined
  const text = await readFile(trace, 'utf8').catch((cause: unknown) => {
    throw new PaychanError(
      'ERR_NO_TRACE',
      `The trace ${trace} cannot be read (${messageOf(cause)}).`,
      { path: trace },
      { cause }
    )
  })
  return parseTrace(text)
}

function coreRelease(text: string): CoreRelease {
  if (!Object.keys(RELEASES).includes(text)) {
    throw new InvalidArgumentError(`It must be one of ${Object.keys(RELEASES).join(', ')}.`)
  }
  return Number(text) as CoreRelease
}

/**
 * The limits and the load are those of the embedded chain; a bitcoind has its own.
 *
 * @throws PaychanError `ERR_USAGE`
 */
function checkBackend({
  bitcoind,
  blockWeight,
  mempoolVsize,
  core,
  load,
  trace
}: DevnetFlags): void {
  const given = Object.entries({
    '--block-weight': blockWeight,
    '--mempool-vsize': mempoolVsize,
    '--core': core,
    '--load': load,
    '--trace': trace
  }).find(([, value]) => value !== undefined)
  if (bitcoind !== undefined && given !== undefined) {
    throw new PaychanError(
      'ERR_USAGE',
      `${given[0]} is for the embedded chain; with --bitcoind, give bitcoind its own limits.`,
      { option: given[0] }
    )
  }
}

const MOST_NODES = 10

/** Reads `alice,bob`: names that peers may have (`src/node/identity.ts`). */
function nodeNames(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const areFit = names.every((name) => /^[a-z][a-z0-9-]{0,15}$/.test(name))
  if (!areFit || names.length > MOST_NODES || new Set(names).size < names.length) {
    throw new InvalidArgumentError(
      `It must be 1 to ${MOST_NODES} different names of small letters and digits, such as alice,bob.`
    )
  }
  return names
}

function tellNodes(output: Output, nodes: readonly NamedNode[]): void {
  for (const { name, peerId, dataDir, apiUrl, channel } of nodes) {
    output.line(
      { event: 'node', name, peerId, dataDir, apiUrl, channel: channel?.id },
      (colors) =>
        `${colors.bold(name)}  ${peerId}\n  --data ${dataDir}\n  API ${apiUrl}${channel === undefined ? '' : `\n  channel ${shortChannel(channel.id)} to the next one, ${formatAmount(channel.capacity)}`}`
    )
  }
  const [payer, payee] = nodes
  if (payer === undefined || payee === undefined) return
  output.line(
    { event: 'ready' },
    () =>
      `Try, in another terminal:\n  paychan pay ${payee.name} 1000 --data ${payer.dataDir}\n  paychan request 3000 --memo tea --data ${payee.dataDir}`
  )
}

async function runDevnet(world: World, output: Output, flags: DevnetFlags): Promise<void> {
  const { io } = world
  // Loaded only here: the script interpreter takes a while, and no other command needs it.
  const { startDevnet } = await import('../../devnet/index.js')
  const interrupted = untilInterrupted(io)
  try {
    const { port, autoMine = false, blockWeight, mempoolVsize, core, bitcoind } = flags
    checkBackend(flags)
    if (flags.data !== undefined && flags.nodes === undefined) {
      throw new PaychanError(
        'ERR_USAGE',
        '--data goes with --nodes: the devnet itself keeps nothing.'
      )
    }
    const load = await traceOf(flags)
    const devnet = await startDevnet({
      port,
      autoMine,
      ...withoutUndefined({
        blockWeight: blockWeight ?? (load === undefined ? undefined : LOADED_BLOCK_WEIGHT),
        mempoolVsize,
        core,
        load,
        bitcoind,
        log:
          bitcoind === undefined
            ? undefined
            : (text: string) => {
                output.line(
                  { event: 'backend', text },
                  (colors) => `${colors.yellow('backend')}  ${text}`
                )
              }
      })
    })
    devnet.on('block', () => {
      const { height, hash } = devnet.tip
      const rate = devnet.nextRate()
      output.line(
        {
          event: 'block',
          height,
          hash,
          ...(rate === undefined ? {} : { nextSatPerVByte: Number(rate) / 1_000 })
        },
        (colors) =>
          `${colors.dim('block')}  ${height}${rate === undefined ? '' : `, ${Number(rate) / 1_000} sat/vB for the next one`}`
      )
    })
    const { software } = devnet.backend
    output.line(
      { event: 'started', electrum: devnet.url, height: devnet.height, software },
      () =>
        `Devnet at block ${devnet.height}${bitcoind === undefined ? '' : ` of ${software}`}. Stop it with Ctrl-C.\nIts Electrum server: ${devnet.url}\nStart a node with:\n  paychan start --network regtest --electrum ${devnet.url}`
    )
    const { nodes: names, data } = flags
    let stopNodes = async (): Promise<void> => {}
    try {
      if (names !== undefined) {
        const { startNodes } = await import('./devnet-nodes.js')
        output.progress(`starting ${names.join(', ')}, with coins and channels ...`)
        const { nodes, stop } = await startNodes(world, devnet, names, data)
        stopNodes = stop
        tellNodes(output, nodes)
      }
      await interrupted.signal
    } finally {
      await stopNodes()
      await devnet.stop()
    }
    output.line({ event: 'stopped' }, () => 'Stopped.')
  } finally {
    interrupted.dispose()
  }
}

/*
 * Asks a running devnet, over its Electrum port, for blocks and coins, which no real server offers.
 */

/** Mining the most that one request may ask for, 10,000 blocks, takes seconds. */
const TIMEOUT_MS = 60_000

/** 10,000 block hashes are 680 kB. */
const MAX_ANSWER_BYTES = 4_194_304

/** JSON-RPC 2.0: the method does not exist. */
const UNKNOWN_METHOD = -32601

const answerSchema = z.object({
  id: z.number().optional(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional()
})

/**
 * One call of the devnet at `url` (`tcp://HOST:PORT`).
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE` when nobody answers, `ERR_DEVNET_REFUSED` when the
 *   devnet refuses, `ERR_NO_DEVNET` when it is another Electrum server.
 */
export async function callDevnet(
  url: string,
  method: string,
  params: readonly unknown[]
): Promise<unknown> {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
  socket.setTimeout(TIMEOUT_MS, () => {
    socket.destroy(new Error('no answer within a minute'))
  })
  const requests = [
    // Electrum 1.6: server.version comes first.
    { jsonrpc: '2.0', id: 0, method: 'server.version', params: ['paychan', '1.4'] },
    { jsonrpc: '2.0', id: 1, method, params }
  ]
  socket.write(requests.map((request) => `${JSON.stringify(request)}\n`).join(''))
  try {
    for await (const line of lines(socket)) {
      const { id, error, result } = answerSchema.parse(JSON.parse(line))
      if (id !== 1) continue
      if (error === undefined) return result
      if (error.code === UNKNOWN_METHOD) {
        throw new PaychanError(
          'ERR_NO_DEVNET',
          `${url} is an Electrum server, but no devnet: it does not make blocks or coins.`,
          { url }
        )
      }
      throw new PaychanError(
        'ERR_DEVNET_REFUSED',
        `The devnet refused: ${error.message.replace(/\.$/, '')}.`,
        { url, reason: error.message }
      )
    }
    throw new Error('the connection ended before the answer')
  } catch (error) {
    if (error instanceof PaychanError) throw error
    throw new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      `No devnet answers at ${url} (${messageOf(error)}). Start one with \`paychan devnet\`, or say where it is with --electrum.`,
      { url },
      { cause: error }
    )
  } finally {
    socket.destroy()
  }
}

async function* lines(socket: Socket): AsyncGenerator<string> {
  let rest = ''
  socket.setEncoding('utf8')
  for await (const text of socket as AsyncIterable<string>) {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
    yield* parts
  }
}
