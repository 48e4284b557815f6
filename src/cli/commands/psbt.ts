/**
 * `paychan psbt`, and what `paychan open --psbt` does: the funding transaction is made by an
 * outside wallet.
 */
import type { Command } from 'commander'
import type { Io } from '../io.js'
import type { ChannelInfo, CloseResult, PsbtResult } from '../../node/api.js'
import { channelByPrefix } from '../../node/choose.js'
import { codeOf, messageOf, PaychanError } from '../../types/errors.js'
import {
  contextOf,
  VERBOSE_HELP,
  withCommonOptions,
  withNode,
  type Context,
  type World
} from '../context.js'
import { followOpening } from '../follow-opening.js'
import { isChannel } from '../opening-progress.js'
import { renderClosed, renderOpened } from '../render.js'
import { renderAskedInputs, renderAskedSignatures } from '../render-psbt.js'

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
          context.output.result(closed, () => renderClosed(closed))
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
      // What is wrong with a PSBT can be put right; it changed nothing.
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
    async (node) => await node.fundingPsbt(channel, psbt, { wait }),
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

/** PSBTs are read by what knows all of Bitcoin's formats: loaded when there is one. */
async function read(io: Io, given: string | undefined, prompt: string): Promise<string> {
  const { readPsbt } = await import('../psbt-input.js')
  return await readPsbt(io, given, prompt)
}

/** An opening only: a channel that is funded is closed in other ways, and not by mistake. */
async function cancelled(context: Context, channel: string): Promise<CloseResult> {
  await waiting(context, channel)
  return await withNode(context, async (node) => await node.close(channel))
}

/** @throws PaychanError `ERR_PSBT_NOT_EXPECTED`, `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL` */
async function waiting(context: Context, prefix: string): Promise<ChannelInfo> {
  const channels = await withNode(context, async (node) => await node.channels())
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
