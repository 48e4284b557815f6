/**
 * The verbs about transactions on the chain: `send`, `bumpfee`, `fees`, `transactions`, `label`.
 */
import type { Command } from 'commander'
import { withoutUndefined } from '../../daemon/wire.js'
import { parseAmount } from '../../types/amount.js'
import type { Satoshi } from '../../types/units.js'
import {
  AMOUNT_HELP,
  contextOf,
  type ListOptions,
  showNewest,
  withCommonOptions,
  withList,
  withNode,
  type World
} from '../context.js'
import { TRANSACTION_CSV } from '../table.js'
import {
  type CoinOptions,
  feeChoice,
  type FeeOptions,
  parseOutPoint,
  withCoins,
  withFee
} from '../options.js'
import { renderBumped, renderCoins, renderFees, renderSent, renderTransactions } from '../render.js'

export function addWalletCommands(program: Command, world: World): void {
  withCoins(
    withFee(
      withCommonOptions(program.command('send').summary('send coins on the chain')),
      "the servers' estimate for 6 blocks"
    )
  )
    .description(
      "Pays to a Bitcoin address from the wallet's confirmed coins. Coins that are set aside for channels, or locked, are not touched. The fee can be raised later with `paychan bumpfee`."
    )
    .argument(
      '<address|uri>',
      "an address of the node's network, or a bitcoin: URI (BIP321; put it in quotes)"
    )
    .argument(
      '[amount|all]',
      `${AMOUNT_HELP}; all sends everything that is confirmed and free, or all of the coins that are named. A URI may have the amount`,
      (text: string) => (text === 'all' ? text : parseAmount(text))
    )
    .option(
      '--label <text>',
      'what to call it, for `paychan transactions` (default: the label of the URI)'
    )
    .option('--dry-run', 'only show what it would cost; nothing is sent')
    .addHelpText(
      'after',
      "\nExamples:\n  paychan send bcrt1q... 50000 --label rent\n  paychan send bcrt1q... all --feerate 2.5 --dry-run\n  paychan send bcrt1q... 50000 --target 144      (cheaper: it may wait a day)\n  paychan send bcrt1q... all --coin 3f8a...c1:0\n  paychan send 'bitcoin:bcrt1q...?amount=0.0005&label=rent'"
    )
    .action(
      async (
        to: string,
        amount: Satoshi | 'all' | undefined,
        {
          coin,
          label,
          dryRun,
          ...fee
        }: FeeOptions & CoinOptions & { label?: string; dryRun?: boolean },
        command: Command
      ) => {
        const context = contextOf(world, command)
        const sent = await withNode(
          context,
          async (node) =>
            await node.wallet.send(
              withoutUndefined({ to, amount, ...feeChoice(fee), coins: coin, label, dryRun })
            ),
          'an Electrum server',
          dryRun === true
            ? undefined
            : 'The coins may still be sent: look at `paychan transactions` before you send again.'
        )
        context.output.result(sent, () => renderSent(sent))
      }
    )

  withFee(
    withCommonOptions(
      program.command('bumpfee').summary('raise the fee of a transaction that is stuck')
    ),
    "the servers' estimate for 6 blocks, or the least that replaces"
  )
    .description(
      'A send is replaced by one that pays more. A funding transaction is never replaced, since that would make the refund void: a child that spends its change pays for both.'
    )
    .argument(
      '<txid>',
      'a send or a funding transaction of this wallet, as `paychan transactions` shows it'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan bumpfee 3f8a...c1\n  paychan bumpfee 3f8a...c1 --feerate 12\n  paychan bumpfee 3f8a...c1 --target 1'
    )
    .action(async (txid: string, fee: FeeOptions, command: Command) => {
      const context = contextOf(world, command)
      const bumped = await withNode(
        context,
        async (node) => await node.wallet.bumpFee(txid, feeChoice(fee)),
        'an Electrum server',
        'The fee may still be raised: look at `paychan transactions` before you raise it again.'
      )
      context.output.result(bumped, () => renderBumped(bumped))
    })

  withCommonOptions(program.command('fees').summary('what a transaction has to pay'))
    .description(
      'Shows what the servers estimate for a transaction to be in a block within 1 to 144 blocks, and what their mempool asks for at the least.'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan fees\n  paychan fees --json | jq .estimates[0].satPerVByte   (what --feerate takes)'
    )
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      const fees = await withNode(
        context,
        async (node) => await node.chain.fees(),
        'an Electrum server'
      )
      context.output.result(fees, (colors) => renderFees(fees, colors))
    })

  withList(
    withCommonOptions(
      program.command('transactions').summary("the wallet's transactions on the chain")
    ).description(
      'Lists what came to the wallet and what left it, the newest first. Amounts are what they change for the wallet, fees included.'
    )
  )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan transactions\n  paychan transactions --limit 100 --json\n  paychan transactions --csv > transactions.csv'
    )
    .action(async (shown: ListOptions, command: Command) => {
      await showNewest(
        contextOf(world, command),
        'transactions',
        shown,
        async (node, limit) => await node.wallet.transactions(withoutUndefined({ limit })),
        renderTransactions,
        TRANSACTION_CSV
      )
    })

  withCommonOptions(program.command('label').summary('name a transaction or an address'))
    .description(
      'Gives a transaction or an address a label, which `paychan transactions` shows. Without a text the label is taken away.'
    )
    .argument('<txid|address>')
    .argument('[text]', 'at most 128 characters')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan label $(paychan address) salary\n  paychan label 3f8a...c1 rent'
    )
    .action(async (of: string, given: string | undefined, _options: object, command: Command) => {
      const text = given ?? ''
      const context = contextOf(world, command)
      await withNode(context, async (node) => {
        await node.wallet.label(of, text)
      })
      context.output.result({ of, label: text }, () =>
        text === '' ? 'The label is taken away.' : 'Labelled.'
      )
    })
}

/* `paychan coins`: the coins of the wallet, and the locks on them. */

export function addCoins(program: Command, world: World): void {
  const coins = withCommonOptions(
    program.command('coins').summary("the wallet's coins, one by one")
  )
    .description(
      'Lists the coins of the wallet, the largest first. A free one may be chosen for a send or a channel; a reserved one is spent by a channel or a send under way; a locked one is spent only when it is named with --coin; an unconfirmed one waits for a block.'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan coins\n  paychan coins --json | jq -r .coins[0].outPoint\n  paychan coins lock 3f8a...c1:0\n  paychan send bcrt1q... all --coin 3f8a...c1:0'
    )
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      const list = await withNode(context, async (node) => await node.wallet.coins())
      context.output.result({ coins: list }, (colors) =>
        renderCoins(list, colors, context.output.width)
      )
    })

  withCommonOptions(coins.command('lock').summary('keep coins from being chosen'))
    .description(
      'Locks coins: no send, channel or fee spends them, not after a restart either, unless they are named with --coin.'
    )
    .argument('<txid:vout...>', 'as `paychan coins` shows them', collect)
    .addHelpText('after', '\nExample:\n  paychan coins lock 3f8a...c1:0 77ab...09:1')
    .action(async (outPoints: string[], _options: object, command: Command) => {
      const context = contextOf(world, command)
      await withNode(context, async (node) => {
        await node.wallet.lockCoins(outPoints)
      })
      context.output.result({ locked: outPoints }, () => `Locked ${howMany(outPoints)}.`)
    })

  withCommonOptions(coins.command('unlock').summary('let coins be chosen again'))
    .description('Takes the locks of coins away.')
    .argument('<txid:vout...>', 'as `paychan coins` shows them', collect)
    .addHelpText('after', '\nExample:\n  paychan coins unlock 3f8a...c1:0')
    .action(async (outPoints: string[], _options: object, command: Command) => {
      const context = contextOf(world, command)
      await withNode(context, async (node) => {
        await node.wallet.unlockCoins(outPoints)
      })
      context.output.result({ unlocked: outPoints }, () => `Unlocked ${howMany(outPoints)}.`)
    })
}

function collect(text: string, before: string[] = []): string[] {
  return [...before, parseOutPoint(text)]
}

function howMany({ length }: readonly string[]): string {
  return length === 1 ? 'one coin' : `${length} coins`
}
