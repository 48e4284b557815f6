/**
 * The verbs about money in channels: `pay`, `channels`, `channel`, `close`, `settle`.
 */
import type { Command } from 'commander'
import { parseAmount } from '../../types/amount.js'
import { withoutUndefined } from '../../daemon/wire.js'
import { PaychanError } from '../../types/errors.js'
import type { Satoshi } from '../../types/units.js'
import { channelByPrefix } from '../../node/choose.js'
import type { ChannelStatus } from '../../node/api.js'
import {
  AMOUNT_HELP,
  assertOneForm,
  contextOf,
  type CsvOption,
  PART_HELP,
  withCommonOptions,
  withCsv,
  withNode,
  type World
} from '../context.js'
import { feeChoice, type FeeOptions, withFee } from '../options.js'
import { CHANNEL_CSV, renderCsv } from '../table.js'
import { EXIT, Exit } from '../output.js'
import { renderChannel, renderChannels, renderSettled } from '../render.js'
import { closedWords } from '../../words/channels.js'
import { paidWords, type Left, leftAfter } from '../../words/payments.js'

interface CloseFlags extends FeeOptions {
  readonly force?: boolean
}

interface PayOptions {
  readonly memo?: string
  readonly id?: string
  readonly open?: Satoshi | true
  readonly yes?: boolean
  readonly show?: boolean
}

/** True for a text that is meant as a request, or as a URI with one: `node.requests` reads it. */
function isRequest(text: string): boolean {
  return /^\s*(paychan1|bitcoin:)/i.test(text)
}

/** Advice after an interrupted `pay`: the node knows the outcome, and paying again pays twice. */
function payMayFollow(id: string | undefined): string {
  const look = 'The payment may still be made: look at `paychan payments`'
  return id === undefined
    ? `${look} before you pay again. With --id a payment is made once, however often it is asked for.`
    : `${look}, or ask again with the same --id, which does not pay twice.`
}

const CLOSE_MAY_FOLLOW =
  'The channel may still be closed, and takes no more payments: `paychan channels` shows what becomes of it. To close it again does no harm.'
const SETTLE_MAY_FOLLOW =
  'What it was asked to settle may still go out: look at `paychan channels`. To settle again does no harm.'

/** True when nobody can pay on the channel any more and nothing is pending. */
function isOver(status: ChannelStatus): boolean {
  return status === 'closed' || status === 'abandoned'
}

export function addChannelCommands(program: Command, world: World): void {
  withCommonOptions(program.command('pay').summary('pay a peer'))
    .description(
      "Pays a peer, or a request that a payee has made (paychan request). On an open channel, or on several when none alone has enough. When it is done, the payment is on the payee's disk. With --id it is made once, however often it is asked for; a request is paid once in any case, and gives a receipt."
    )
    .argument(
      '<peer|channel|request>',
      `a peer id (${PART_HELP}) or its name, a channel id (its first 8 digits are enough), or a request (paychan1...)`
    )
    .argument('[amount]', `${AMOUNT_HELP}; a request has its own`, parseAmount)
    .option('--memo <text>', 'a remark for the payee, at most 128 bytes')
    .option(
      '--id <text>',
      'a name for this payment, 1 to 128 characters: asked for again with the same one, it is not made twice'
    )
    .option('--yes', 'of a request: pay what it asks for without being asked')
    .option('--show', 'of a request: say what it asks for, and pay nothing')
    .option(
      '--open [amount]',
      'of a request: open a channel of this capacity if there is none (default: ten times the payment, at least 50,000 sat)',
      (text: string) => parseAmount(text)
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan pay 1a2b3c4d 1000\n  paychan pay 12D3KooW... 0.00001btc --memo "coffee"\n  paychan pay 12D3KooW... 5000 --id invoice-17   (safe to repeat)\n  paychan pay paychan1... --open                  (a request, with a channel if need be)'
    )
    .action(
      async (
        to: string,
        amount: Satoshi | undefined,
        { memo, id, open, yes = false, show = false }: PayOptions,
        command: Command
      ) => {
        const context = contextOf(world, command)
        if (isRequest(to)) {
          if (memo !== undefined) {
            throw new PaychanError('ERR_USAGE', 'A request has its own memo: leave --memo out.')
          }
          const { payRequest } = await import('./requests.js')
          await payRequest(context, to, { amount, id, open, yes, show })
          return
        }
        if (open !== undefined || yes || show) {
          throw new PaychanError(
            'ERR_USAGE',
            '--open, --yes and --show go with a request (paychan1...). See paychan pay --help.'
          )
        }
        if (amount === undefined) {
          throw new PaychanError('ERR_USAGE', 'Name an amount. See paychan pay --help.')
        }
        let left: Left | undefined
        const payment = await withNode(
          context,
          async (node) => {
            const made = await node.pay(withoutUndefined({ to, amount, memo, id }))
            // The payment is made, even if this question fails.
            left = await node.channels.list().then(
              (channels) => leftAfter(made, channels),
              () => undefined
            )
            return made
          },
          'the peer to acknowledge the payment',
          payMayFollow(id)
        )
        context.output.result({ ...payment, left: left?.inAll }, () => paidWords(payment, left))
      }
    )

  withCsv(
    withCommonOptions(program.command('channels').summary('the channels, and what is in them'))
  )
    .description(
      'Lists the channels that are not closed, with our share of each and what can be spent now; in a wider terminal also whose they are, the other share and the block of the refund. Below a channel stands what there is to say of it; of two-way channels also whose turn it is, how many are left, and when the state of each side matures. `paychan channel ID` shows all of one.'
    )
    .option('--all', 'also those that are closed, and openings that came to nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan channels\n  paychan channels --all --csv > channels.csv'
    )
    .action(async ({ all = false, csv }: { all?: boolean } & CsvOption, command: Command) => {
      const { output, ...context } = contextOf(world, command)
      assertOneForm(output, csv)
      const known = await withNode(
        { ...context, output },
        async (node) => await node.channels.list()
      )
      const channels = known.filter(({ status }) => all || !isOver(status))
      if (csv === true) {
        output.text(renderCsv(CHANNEL_CSV, channels))
        return
      }
      const hidden = known.length - channels.length
      output.result({ channels, hidden }, (colors) =>
        channels.length === 0 && hidden > 0
          ? 'No channel is open.'
          : renderChannels(channels, colors, output.width)
      )
      if (hidden > 0) {
        output.note(
          `${hidden === 1 ? 'One channel that is closed is' : `${hidden} channels that are closed are`} not shown; see --all.`
        )
      }
    })

  withCommonOptions(program.command('channel').summary('all there is to know of one channel'))
    .description(
      'Shows everything about one channel: whole ids, both shares, the heights that matter, the transactions.'
    )
    .argument('<channel>', 'a channel id (its first 8 digits are enough)')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan channel 1a2b3c4d\n  paychan channel 1a2b3c4d --json | jq .spend.txid'
    )
    .action(async (prefix: string, _options: object, command: Command) => {
      const context = contextOf(world, command)
      const channel = channelByPrefix(
        await withNode(context, async (node) => await node.channels.list()),
        prefix
      )
      context.output.result(channel, (colors) =>
        renderChannel(channel, colors, context.output.width)
      )
    })

  withFee(
    withCommonOptions(program.command('close').summary('close a channel')),
    'a tenth above the estimate for an hour'
  )
    .description(
      'Closes a channel together with the peer. A peer whose estimate is higher refuses the fee, and the channel takes no payments any more: ask again, for a quarter more each time, or name a feerate. With --force a server settles alone with its newest state.'
    )
    .argument('<channel>', 'a channel id (its first 8 digits are enough)')
    .option('--force', 'settle without the peer')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan close 1a2b3c4d\n  paychan close 1a2b3c4d --feerate 20\n  paychan close 1a2b3c4d --force'
    )
    .action(async (channel: string, { force = false, ...fee }: CloseFlags, command: Command) => {
      const context = contextOf(world, command)
      const closed = await withNode(
        context,
        async (node) =>
          await node.channels.close(channel, { ...feeChoice(fee), ...(force ? { force } : {}) }),
        force ? 'an Electrum server to take the settlement' : 'the peer to agree to the close',
        force ? SETTLE_MAY_FOLLOW : CLOSE_MAY_FOLLOW
      )
      context.output.result(closed, () => closedWords(closed))
    })

  withCommonOptions(program.command('settle').summary('settle channels without their peers'))
    .description(
      'Publishes the newest state of a channel without its peer, or with --all those of every one-way channel in which this node is the server, each by a transaction of its own. What is not worth its fee is left out.'
    )
    .argument('[channel]', 'a channel id (its first 8 digits are enough)')
    .option('--all', 'every one-way channel in which this node is the server')
    .addHelpText('after', '\nExamples:\n  paychan settle 1a2b3c4d\n  paychan settle --all')
    .action(
      async (channel: string | undefined, { all = false }: { all?: boolean }, command: Command) => {
        const context = contextOf(world, command)
        if ((channel === undefined) !== all) {
          throw new PaychanError(
            'ERR_USAGE',
            'Name a channel, or give --all. See paychan settle --help.'
          )
        }
        const patience = 'an Electrum server to take the settlement'
        if (channel === undefined) {
          const result = await withNode(
            context,
            async (node) => await node.channels.settleAll(),
            patience,
            SETTLE_MAY_FOLLOW
          )
          context.output.result(result, () => renderSettled(result))
          if (result.failed.length > 0) throw new Exit(EXIT.refused)
        } else {
          const closed = await withNode(
            context,
            async (node) => await node.channels.close(channel, { force: true }),
            patience,
            SETTLE_MAY_FOLLOW
          )
          context.output.result(closed, () => closedWords(closed))
        }
      }
    )
}
