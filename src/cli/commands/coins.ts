/** `paychan coins`: the coins of the wallet, and the locks on them. */
import type { Command } from 'commander'
import { contextOf, withCommonOptions, withNode, type World } from '../context.js'
import { parseOutPoint } from '../fee-options.js'
import { renderCoins } from '../render-wallet.js'

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
