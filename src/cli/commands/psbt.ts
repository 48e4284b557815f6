/**
 * `paychan psbt`, and the work of `paychan open --psbt`: an outside wallet makes the funding
 * transaction.
 */
import type { Command } from 'commander'
import { formatAmount } from '../../types/units.js'
import type { ChannelInfo, CloseResult, PsbtResult } from '../../node/api.js'
import { channelByPrefix } from '../../node/choose.js'
import { codeOf, messageOf, PaychanError } from '../../types/errors.js'
import {
  type Context,
  contextOf,
  VERBOSE_HELP,
  withCommonOptions,
  withNode,
  type World
} from '../context.js'
import type { Io } from '../io.js'
import { followOpening, isChannel } from '../opening-progress.js'
import { renderOpened } from '../render.js'
import { closedWords } from '../../words/channels.js'
import { shortChannel, shortPeer } from '../../words/text.js'

interface How {
  readonly wait: 'ready' | 'broadcast'
  readonly verbose: true | undefined
}

const PROMPT: Readonly<Record<NonNullable<ChannelInfo['outside']>['needs'], string>> = {
  inputs: 'The funded PSBT, not signed, or the name of its file (what you paste is not shown): ',
  signatures: 'The signed PSBT, or the name of its file (what you paste is not shown): '
}

export function addPsbt(program: Command, world: World): void {
  withCommonOptions(program.command('psbt').summary('fund a channel from an outside wallet'))
    .description(
      'Goes on with a channel that was opened with `open --psbt`. First give the PSBT as your wallet has funded it, NOT signed: the peer signs the refund for it. Then sign it, and give it again, signed or as the final transaction. Left out or -, it is read from standard input.'
    )
    .argument('<channel>', 'a channel id (its first 8 digits are enough)')
    .argument('[psbt]', 'a PSBT or transaction in base64 or hex, or the name of a file with one')
    .option('--cancel', 'give the opening up')
    .option('--no-wait', 'return once the funding transaction is broadcast')
    .option('--verbose', VERBOSE_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  paychan psbt 1a2b3c4d funded.psbt\n  paychan psbt 1a2b3c4d signed.psbt --no-wait\n  bitcoin-cli walletprocesspsbt "$(cat funded.psbt)" | jq -r .psbt | paychan psbt 1a2b3c4d -\n  paychan psbt 1a2b3c4d --cancel'
    )
    .action(
      async (
        channel: string,
        given: string | undefined,
        { cancel = false, wait, verbose }: { cancel?: boolean; wait: boolean; verbose?: true },
        command: Command
      ) => {
        const context = contextOf(world, command)
        if (cancel) {
          if (given !== undefined) {
            throw new PaychanError(
              'ERR_USAGE',
              'Give a PSBT, or --cancel. See paychan psbt --help.'
            )
          }
          const closed = await cancelled(context, channel)
          context.output.result(closed, () => closedWords(closed))
          return
        }
        const asked =
          given === undefined && context.io.stdin.isTTY
            ? await waiting(context, channel)
            : undefined
        const psbt = await read(context.io, given, PROMPT[asked?.outside?.needs ?? 'inputs'])
        report(
          context,
          await hand(context, channel, psbt, { wait: wait ? 'ready' : 'broadcast', verbose })
        )
      }
    )
}

/**
 * The rest of `open --psbt`: says what to do; a person at a terminal is then asked for one PSBT
 * after the other.
 */
export async function goOnWithPsbt(context: Context, opened: ChannelInfo, how: How): Promise<void> {
  const { io, output } = context
  output.result(opened, () => renderAskedInputs(opened))
  if (output.json || !io.stdin.isTTY) return
  let channel = opened
  while (channel.outside !== undefined) {
    const { needs } = channel.outside
    try {
      const result = await hand(context, channel.id, await read(io, undefined, PROMPT[needs]), how)
      report(context, result)
      channel = result.channel
    } catch (error) {
      // An error in a PSBT can be corrected; it changed nothing.
      if (!codeOf(error).startsWith('ERR_PSBT_') && codeOf(error) !== 'ERR_BROADCAST_REFUSED') {
        throw error
      }
      output.note(`${messageOf(error)} (${codeOf(error)}) Try again; Ctrl-C leaves.`)
    }
  }
}

async function hand(
  context: Context,
  channel: string,
  psbt: string,
  { wait, verbose }: How
): Promise<PsbtResult> {
  return await followOpening(
    context,
    isChannel(channel),
    async (node) => await node.channels.fundingPsbt(channel, psbt, { wait }),
    {
      verbose,
      mayFollow:
        'The funding transaction may still be taken: look at `paychan channels` before you make another one, and never pay to that address twice.'
    }
  )
}

function report({ output }: Context, result: PsbtResult): void {
  output.result(result, () =>
    result.channel.outside?.needs === 'signatures'
      ? renderAskedSignatures(result.channel)
      : renderOpened(result.channel)
  )
  for (const warning of result.warnings) output.note(`Note: ${warning}`)
}

/** Reads a PSBT with the full Bitcoin library, which is loaded only then. */
async function read(io: Io, given: string | undefined, prompt: string): Promise<string> {
  const { readPsbt } = await import('../psbt-input.js')
  return await readPsbt(io, given, prompt)
}

/** Cancels an opening only: a funded channel is closed in other ways, and not by mistake. */
async function cancelled(context: Context, channel: string): Promise<CloseResult> {
  await waiting(context, channel)
  return await withNode(context, async (node) => await node.channels.close(channel))
}

/** @throws PaychanError `ERR_PSBT_NOT_EXPECTED`, `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL` */
async function waiting(context: Context, prefix: string): Promise<ChannelInfo> {
  const channels = await withNode(context, async (node) => await node.channels.list())
  const channel = channelByPrefix(channels, prefix)
  if (channel.outside === undefined) {
    throw new PaychanError(
      'ERR_PSBT_NOT_EXPECTED',
      'The channel waits for no PSBT; `paychan channels --all` says how it stands.',
      { channel: channel.id }
    )
  }
  return channel
}

/* Instructions for a person with an outside wallet, and warnings. */

const BTC = 100_000_000n

/** An amount in the notation of Bitcoin wallets. */
function inBitcoin(amount: bigint): string {
  return `${amount / BTC}.${(amount % BTC).toString().padStart(8, '0')}`
}

/** The text for `open --psbt` after the server has named its key. */
export function renderAskedInputs(channel: ChannelInfo): string {
  const { outside, capacity } = channel
  const id = shortChannel(channel.id)
  const { address = '', psbt = '' } = outside ?? {}
  return `Channel ${id} with ${shortPeer(channel.peerId)} waits for its funding, for 10 minutes.
Have your wallet make a transaction that pays exactly this, from native SegWit coins. Do NOT sign or send it yet:

  amount   ${inBitcoin(capacity)} BTC (${formatAmount(capacity)}); the fee comes on top
  address  ${address}
  PSBT     ${psbt}

With Bitcoin Core:
  bitcoin-cli walletcreatefundedpsbt '[]' '[{"${address}":${inBitcoin(capacity)}}]' 0 '{"lockUnspents":true}'
Then give what it made, unsigned:  paychan psbt ${id} FILE
Or give the opening up:            paychan psbt ${id} --cancel`
}

/** The text for the funded PSBT, once T2 is on disk. */
export function renderAskedSignatures(channel: ChannelInfo): string {
  const id = shortChannel(channel.id)
  return `The refund is signed by the peer and stored: at block ${channel.refundHeight} the money comes back by itself if all else fails.
Now sign this PSBT, unchanged, for transaction ${channel.funding?.txid ?? '?'}:

${channel.outside?.psbt ?? ''}

Then give it signed, up to block ${channel.lastPaymentHeight ?? '?'}:  paychan psbt ${id} FILE
Never replace or bump the transaction in your wallet (RBF): another one would have no refund.`
}
