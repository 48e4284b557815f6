/** `paychan open`, `renew` and `topup`. */
import type { Command } from 'commander'
import { parseAmount } from '../../types/amount.js'
import type { ApiClient } from '../../daemon/client.js'
import { withoutUndefined } from '../../daemon/wire.js'
import type { ChannelInfo } from '../../node/api.js'
import type { Satoshi } from '../../types/units.js'
import { type CoinOptions, feeChoice, type FeeOptions, withCoins, withFee } from '../options.js'
import {
  AMOUNT_HELP,
  contextOf,
  PART_HELP,
  VERBOSE_HELP,
  wholeNumber,
  withCommonOptions,
  type Context,
  type World
} from '../context.js'
import { followOpening, type IsAsked, isOpened, isRenewal } from '../opening-progress.js'
import { renderOpened } from '../render.js'

interface OpenOptions extends FeeOptions, CoinOptions {
  readonly blocks?: number
  readonly twoWay?: true
  readonly step?: number
  readonly renew?: true
  readonly psbt?: true
  readonly wait: boolean
  readonly verbose?: true
}
interface RenewOptions extends FeeOptions, CoinOptions {
  readonly blocks?: number
  readonly wait: boolean
  readonly verbose?: true
}

/** The verbs that make a channel. */
export function addOpenings(program: Command, world: World): void {
  addOpen(program, world)
  addRenewals(program, world)
}

function addOpen(program: Command, world: World): void {
  withCoins(
    withFee(
      withCommonOptions(program.command('open').summary('open a channel and fund it')),
      'the estimate for 6 blocks'
    )
  )
    .description(
      'Opens a channel with a peer. The amount is its capacity: all of it is ours at first. Waits until the channel can be paid on, and shows how far it is. Ctrl-C cancels the opening as long as the funding transaction has not left.'
    )
    .argument(
      '<peer>',
      `a peer id that is connected (${PART_HELP}), or a peer address as \`paychan info\` shows it on the other side`
    )
    .argument('<amount>', AMOUNT_HELP, parseAmount)
    .option(
      '--blocks <n>',
      'blocks until the refund: how long the channel may live',
      wholeNumber(1)
    )
    .option('--two-way', 'either side pays, in turns')
    .option(
      '--step <n>',
      'of a two-way channel: blocks between the locks of two turns',
      wholeNumber(1)
    )
    .option('--renew', 'renew itself, for as many blocks again, before its end')
    .option(
      '--psbt',
      'pay for it from an outside wallet: prints an address and a PSBT, and goes on with `paychan psbt`'
    )
    .option('--no-wait', 'return once the funding transaction is broadcast')
    .option('--verbose', VERBOSE_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  paychan open 12D3KooW... 1000000\n  paychan open /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... 0.01btc --blocks 144\n  paychan open 12D3KooW... 1000000 --two-way --blocks 2016\n  paychan open 12D3KooW... 1000000 --target 36      (cheaper: it may wait six hours)\n  paychan open 12D3KooW... 1000000 --feerate 2.5 --coin 3f8a...c1:0\n  paychan open 12D3KooW... 1000000 --psbt'
    )
    .action(
      async (
        peer: string,
        amount: Satoshi,
        { blocks, twoWay, step, renew, psbt, coin, wait, verbose, ...fee }: OpenOptions,
        command: Command
      ) => {
        const context = contextOf(world, command)
        const request = {
          peer,
          amount,
          ...feeChoice(fee),
          ...withoutUndefined({ blocks, twoWay, step, renew, psbt, coins: coin }),
          wait: waitFor(wait)
        }
        if (psbt === true) {
          const opened = await followOpening(
            context,
            isOpened(request),
            async (node, signal) => await node.channels.open({ ...request, signal }),
            { verbose }
          )
          const { goOnWithPsbt } = await import('./psbt.js')
          await goOnWithPsbt(context, opened, { wait: waitFor(wait), verbose })
          return
        }
        await openWithProgress(
          context,
          isOpened(request),
          async (node, signal) => await node.channels.open({ ...request, signal }),
          verbose
        )
      }
    )
}

/** The verbs that close a channel and open the next one in one transaction. */
function addRenewals(program: Command, world: World): void {
  withFee(
    withCommonOptions(
      program.command('renew').summary('close a channel and open the next one, in one transaction')
    ),
    'a tenth above the estimate for an hour'
  )
    .description(
      'Renews a channel that this node has opened: one transaction closes it and opens the next one with the same peer. Both balances go over; the fee comes out of our share. The old channel takes no payments from then on, the new one once the transaction is confirmed.'
    )
    .argument('<channel>', 'a channel id (its first 8 digits are enough)')
    .option(
      '--blocks <n>',
      'blocks until the refund of the new channel (default: as many as it renews itself for, or as for open)',
      wholeNumber(1)
    )
    .option('--no-wait', 'return once the transaction is signed')
    .option('--verbose', VERBOSE_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  paychan renew 1a2b3c4d\n  paychan renew 1a2b3c4d --blocks 2016\n  paychan renew 1a2b3c4d --target 6'
    )
    .action(
      async (
        channel: string,
        { blocks, wait, verbose, ...fee }: RenewOptions,
        command: Command
      ) => {
        const options = { ...feeChoice(fee), ...withoutUndefined({ blocks }), wait: waitFor(wait) }
        await openWithProgress(
          contextOf(world, command),
          isRenewal(channel),
          async (node, signal) => await node.channels.renew(channel, { ...options, signal }),
          verbose
        )
      }
    )

  withCoins(
    withFee(
      withCommonOptions(program.command('topup').summary('add coins of the wallet to a channel')),
      'a tenth above the estimate for an hour'
    )
  )
    .description(
      'Adds coins of the wallet to a channel that this node has opened, by renewing it: one transaction closes it and opens the next one, larger by the amount. The fee comes out of the wallet. The old channel takes no payments from then on, the new one once the transaction is confirmed.'
    )
    .argument('<channel>', 'a channel id (its first 8 digits are enough)')
    .argument('<amount>', AMOUNT_HELP, parseAmount)
    .option(
      '--blocks <n>',
      'blocks until the refund of the new channel (default: as many as it renews itself for, or as for open)',
      wholeNumber(1)
    )
    .option('--no-wait', 'return once the transaction is signed')
    .option('--verbose', VERBOSE_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  paychan topup 1a2b3c4d 500000\n  paychan topup 1a2b3c4d 0.005btc --blocks 2016\n  paychan topup 1a2b3c4d 500000 --target 3 --coin 3f8a...c1:0'
    )
    .action(
      async (
        channel: string,
        amount: Satoshi,
        { blocks, coin, wait, verbose, ...fee }: RenewOptions,
        command: Command
      ) => {
        const options = {
          amount,
          ...feeChoice(fee),
          ...withoutUndefined({ blocks, coins: coin }),
          wait: waitFor(wait)
        }
        await openWithProgress(
          contextOf(world, command),
          isRenewal(channel),
          async (node, signal) => await node.channels.renew(channel, { ...options, signal }),
          verbose
        )
      }
    )
}

function waitFor(wait: boolean): 'ready' | 'broadcast' {
  return wait ? 'ready' : 'broadcast'
}

async function openWithProgress(
  context: Context,
  isAsked: IsAsked,
  call: (node: ApiClient, signal: AbortSignal) => Promise<ChannelInfo>,
  verbose: true | undefined
): Promise<void> {
  const channel = await followOpening(context, isAsked, call, { verbose })
  context.output.result(channel, () => renderOpened(channel))
}
