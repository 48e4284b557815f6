/** The verbs about money: `open`, `pay`, `channels`, `payments`, `close`. */
import type { Command } from 'commander'
import { parseAmount } from '../../daemon/amount.js'
import type { ApiClient } from '../../daemon/client.js'
import { withoutUndefined } from '../../daemon/objects.js'
import type { ChannelInfo } from '../../node/api.js'
import type { Satoshi } from '../../types/units.js'
import { contextOf, wholeNumber, withCommonOptions, withNode, type World } from '../context.js'
import { openingProgress } from '../opening-progress.js'
import type { Output } from '../output.js'
import { renderChannels, renderClosed, renderOpened, renderPaid, renderPayments } from '../render.js'

const AMOUNT_HELP = '1000, 1000sat or 0.00001btc'

/** How many payments are shown unless asked otherwise. */
const DEFAULT_LIMIT = 20

interface OpenOptions { readonly blocks?: number, readonly wait: boolean }

export function addChannelCommands (program: Command, world: World): void {
  withCommonOptions(program.command('open').summary('open a channel and fund it'))
    .description('Opens a channel with a peer. The amount is its capacity: all of it is ours at first. Waits until the channel can be paid on, and shows how far it is.')
    .argument('<peer>', 'a peer id that is connected, or a full multiaddr')
    .argument('<amount>', AMOUNT_HELP, parseAmount)
    .option('--blocks <n>', 'blocks until the refund: how long the channel may live', wholeNumber(1))
    .option('--no-wait', 'return once the funding transaction is broadcast')
    .addHelpText('after', '\nExamples:\n  paychan open 12D3KooW... 1000000\n  paychan open /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... 0.01btc --blocks 144')
    .action(async (peer: string, amount: Satoshi, { blocks, wait }: OpenOptions, command: Command) => {
      const context = contextOf(world, command)
      const request = { peer, amount, ...(blocks === undefined ? {} : { blocks }), wait: wait ? 'ready' as const : 'broadcast' as const }
      const channel = await withNode(context, async node => await openWithProgress(node, request, context.output))
      context.output.result(channel, () => renderOpened(channel))
    })

  withCommonOptions(program.command('pay').summary('pay a peer'))
    .description('Pays on an open channel, or on several when none alone has enough. When it is done, the payment is on the payee\'s disk. With --id it is made once, however often it is asked for.')
    .argument('<peer|channel>', 'a peer id, or a channel id (its first 8 digits are enough)')
    .argument('<amount>', AMOUNT_HELP, parseAmount)
    .option('--memo <text>', 'a remark for the payee, at most 128 bytes')
    .option('--id <text>', 'a name for this payment, 1 to 128 characters: asked for again with the same one, it is not made twice')
    .addHelpText('after', '\nExamples:\n  paychan pay 1a2b3c4d 1000\n  paychan pay 12D3KooW... 0.00001btc --memo "coffee"\n  paychan pay 12D3KooW... 5000 --id invoice-17   (safe to repeat)')
    .action(async (to: string, amount: Satoshi, { memo, id }: { memo?: string, id?: string }, command: Command) => {
      const context = contextOf(world, command)
      const payment = await withNode(context, async node => await node.pay(withoutUndefined({ to, amount, memo, id })))
      context.output.result(payment, () => renderPaid(payment))
    })

  withCommonOptions(program.command('channels').summary('all channels, and what is in them'))
    .description('Lists channels with both shares, what can be spent now, and the block of the refund.')
    .addHelpText('after', '\nExample:\n  paychan channels')
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      const channels = await withNode(context, async node => await node.channels())
      context.output.result({ channels }, colors => renderChannels(channels, colors))
    })

  withCommonOptions(program.command('payments').summary('payments, sent and received'))
    .description('Lists payments, the newest first.')
    .option('--channel <id>', 'only of this channel (its first 8 digits are enough)')
    .option('--limit <n>', `at most so many (default: ${DEFAULT_LIMIT})`, wholeNumber(1))
    .addHelpText('after', '\nExamples:\n  paychan payments\n  paychan payments --channel 1a2b3c4d --limit 100')
    .action(async ({ channel, limit = DEFAULT_LIMIT }: { channel?: string, limit?: number }, command: Command) => {
      const context = contextOf(world, command)
      const payments = await withNode(context, async node => await node.payments({ limit, ...(channel === undefined ? {} : { channel }) }))
      context.output.result({ payments }, colors => renderPayments(payments, colors))
    })

  withCommonOptions(program.command('close').summary('close a channel'))
    .description('Closes a channel together with the peer. With --force a server settles alone with its newest state.')
    .argument('<channel>', 'a channel id (its first 8 digits are enough)')
    .option('--force', 'settle without the peer')
    .addHelpText('after', '\nExamples:\n  paychan close 1a2b3c4d\n  paychan close 1a2b3c4d --force')
    .action(async (channel: string, { force = false }: { force?: boolean }, command: Command) => {
      const context = contextOf(world, command)
      const closed = await withNode(context, async node => await node.close(channel, force ? { force } : {}))
      context.output.result(closed, () => renderClosed(closed))
    })
}

/** Follows the node's events while it opens. The opening itself goes on when this process is ended. */
async function openWithProgress (node: ApiClient, request: Parameters<ApiClient['open']>[0], output: Output): Promise<ChannelInfo> {
  const show = openingProgress(request, text => { output.progress(text) })
  const events = node.events(show)
  await events.ready
  try {
    return await node.open(request)
  } finally {
    events.stop()
  }
}
