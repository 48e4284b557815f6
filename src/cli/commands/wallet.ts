/** The verbs about coins on the chain: `send`, `bumpfee`, `transactions`, `label`. */
import { InvalidArgumentError, type Command } from 'commander'
import { parseAmount } from '../../daemon/amount.js'
import { withoutUndefined } from '../../daemon/objects.js'
import type { Satoshi } from '../../types/units.js'
import { AMOUNT_HELP, contextOf, wholeNumber, withCommonOptions, withNode, type World } from '../context.js'
import { renderBumped, renderSent, renderTransactions } from '../render-wallet.js'

/** How many transactions are shown unless asked otherwise. */
const DEFAULT_LIMIT = 20

/** `1`, `2.5` sat/vB, in sat per 1,000 vB. */
export function parseFeeRate (text: string): bigint {
  const match = /^(\d{1,6})(?:\.(\d{1,3}))?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('A feerate is in sat/vB, such as 2 or 2.5, with at most 3 decimals.')
  return BigInt(match[1] ?? '') * 1000n + BigInt((match[2] ?? '').padEnd(3, '0'))
}

export function addWalletCommands (program: Command, world: World): void {
  withCommonOptions(program.command('send').summary('send coins on the chain'))
    .description('Pays to a Bitcoin address from the wallet\'s confirmed coins. Coins that are set aside for channels are not touched. The fee can be raised later with `paychan bumpfee`.')
    .argument('<address>', 'an address of the node\'s network')
    .argument('<amount|all>', `${AMOUNT_HELP}; all sends everything that is confirmed and free`, (text: string) => text === 'all' ? text : parseAmount(text))
    .option('--feerate <sat/vB>', 'what to pay for each virtual byte (default: the server\'s estimate for 6 blocks)', parseFeeRate)
    .option('--label <text>', 'what to call it, for `paychan transactions`')
    .option('--dry-run', 'only show what it would cost; nothing is sent')
    .addHelpText('after', '\nExamples:\n  paychan send bcrt1q... 50000 --label rent\n  paychan send bcrt1q... all --feerate 2.5 --dry-run')
    .action(async (to: string, amount: Satoshi | 'all', { feerate, label, dryRun }: { feerate?: bigint, label?: string, dryRun?: boolean }, command: Command) => {
      const context = contextOf(world, command)
      const sent = await withNode(context, async node => await node.send(withoutUndefined({ to, amount, feeRate: feerate, label, dryRun })), 'an Electrum server')
      context.output.result(sent, () => renderSent(sent))
    })

  withCommonOptions(program.command('bumpfee').summary('raise the fee of a transaction that is stuck'))
    .description('A send is replaced by one that pays more. A funding transaction is never replaced, since that would make the refund void: a child that spends its change pays for both.')
    .argument('<txid>', 'a send or a funding transaction of this wallet, as `paychan transactions` shows it')
    .option('--feerate <sat/vB>', 'what it shall pay for each virtual byte (default: the server\'s estimate, or the least that replaces)', parseFeeRate)
    .addHelpText('after', '\nExamples:\n  paychan bumpfee 3f8a...c1\n  paychan bumpfee 3f8a...c1 --feerate 12')
    .action(async (txid: string, { feerate }: { feerate?: bigint }, command: Command) => {
      const context = contextOf(world, command)
      const bumped = await withNode(context, async node => await node.bumpFee(txid, withoutUndefined({ feeRate: feerate })), 'an Electrum server')
      context.output.result(bumped, () => renderBumped(bumped))
    })

  withCommonOptions(program.command('transactions').summary('the wallet\'s transactions on the chain'))
    .description('Lists what came to the wallet and what left it, the newest first. Amounts are what they change for the wallet, fees included.')
    .option('--limit <n>', `at most so many (default: ${DEFAULT_LIMIT})`, wholeNumber(1))
    .addHelpText('after', '\nExamples:\n  paychan transactions\n  paychan transactions --limit 100 --json')
    .action(async ({ limit = DEFAULT_LIMIT }: { limit?: number }, command: Command) => {
      const context = contextOf(world, command)
      // One more than is shown tells whether there are more.
      const known = await withNode(context, async node => await node.transactions({ limit: limit + 1 }))
      const transactions = known.slice(0, limit)
      const more = known.length > limit
      context.output.result({ transactions, more }, colors => renderTransactions(transactions, colors))
      if (more) context.output.note(`These are the newest ${limit}; show more with --limit N.`)
    })

  withCommonOptions(program.command('label').summary('name a transaction or an address'))
    .description('Gives a transaction or an address a label, which `paychan transactions` shows. Without a text the label is taken away.')
    .argument('<txid|address>')
    .argument('[text]', 'at most 128 characters')
    .addHelpText('after', '\nExamples:\n  paychan label $(paychan address) salary\n  paychan label 3f8a...c1 rent')
    .action(async (of: string, given: string | undefined, _options: object, command: Command) => {
      const text = given ?? ''
      const context = contextOf(world, command)
      await withNode(context, async node => { await node.label(of, text) })
      context.output.result({ of, label: text }, () => text === '' ? 'The label is taken away.' : 'Labelled.')
    })
}
