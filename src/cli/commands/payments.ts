/** The verbs about payments that were made: `payments`, `payment`. */
import { Option, type Command } from 'commander'
import { withoutUndefined } from '../../daemon/wire.js'
import type { PaymentDetails, PaymentFilter } from '../../node/api.js'
import {
  contextOf,
  type ListOptions,
  showNewest,
  withCommonOptions,
  withList,
  withNode,
  type World
} from '../context.js'
import { PAYMENT_CSV } from '../table.js'
import { renderPayment, renderPayments } from '../render.js'
import { MOMENT_HELP, momentBy } from '../options.js'

export function addPaymentCommands(program: Command, world: World): void {
  withList(
    withCommonOptions(program.command('payments').summary('payments, sent and received'))
      .description(
        'Lists payments, the newest first; with filters only those that fit all of them. `paychan payment ID` shows all of one.'
      )
      .option('--channel <channel>', 'only of this channel (its first 8 digits are enough)')
      .option('--peer <peer>', 'only with this peer: its id, a part of it, or its name')
      .option('--since <time>', `not before: ${MOMENT_HELP}`, momentBy(Date.now, false))
      .option('--until <time>', 'before; a day counts to its end', momentBy(Date.now, true))
      .addOption(new Option('--direction <way>', 'only these').choices(['sent', 'received']))
      .addOption(
        new Option('--status <status>', 'only these').choices(['acknowledged', 'unknown', 'failed'])
      )
      .option('--memo <text>', 'only those whose memo has this text; capitals do not matter')
  )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan payments\n  paychan payments --channel 1a2b3c4d --limit 100\n  paychan payments --peer bakery --since 7d --direction sent\n  paychan payments --since 2026-11-01 --until 2026-11-30 --csv > november.csv'
    )
    .action(async ({ limit, csv, ...filter }: ListOptions & PaymentFilter, command: Command) => {
      await showNewest(
        contextOf(world, command),
        'payments',
        withoutUndefined({ limit, csv }),
        async (node, most) =>
          await node.payments.list(withoutUndefined({ ...onlyFilters(filter), limit: most })),
        renderPayments,
        PAYMENT_CSV
      )
    })

  withCommonOptions(program.command('payment').summary('all there is to know of one payment'))
    .description(
      'Shows everything about one payment: whole ids, its parts when it was split, and what its status means.'
    )
    .argument(
      '<payment>',
      'the id of a payment (its first 8 digits are enough), or the text that it was made with (pay --id)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan payment 5f2c9a01\n  paychan payment invoice-17 --json | jq .status'
    )
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(world, command)
      const payment: PaymentDetails = await withNode(
        context,
        async (node) => await node.payments.get(id)
      )
      context.output.result(payment, (colors) =>
        renderPayment(payment, colors, context.output.width)
      )
    })
}

/** Without the options that all commands share. */
function onlyFilters(filter: PaymentFilter): PaymentFilter {
  const { channel, peer, since, until, direction, status, memo } = filter
  return withoutUndefined({ channel, peer, since, until, direction, status, memo })
}
