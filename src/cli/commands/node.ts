/** The verbs about the node itself: `info`, `address`, `balance`, `connect`, `peers`, `stop`. */
import type { Command } from 'commander'
import { parseAmount } from '../../types/amount.js'
import { PaychanError } from '../../types/errors.js'
import type { Satoshi } from '../../types/units.js'
import {
  AMOUNT_HELP,
  contextOf,
  PART_HELP,
  withCommonOptions,
  withNode,
  type World
} from '../context.js'
import { renderBalance, renderConnected, renderInfo, renderPeers } from '../render.js'
import { type Column, renderTable } from '../table.js'

interface AddressOptions {
  readonly label?: string
  readonly message?: string
  readonly uri?: boolean
}

export function addNodeCommands(program: Command, world: World): void {
  withCommonOptions(program.command('info').summary('who this node is and how it sees the chain'))
    .description('Shows the peer id, the addresses to connect to, and the state of the chain.')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan info\n  paychan info --json | jq -r .multiaddrs[0]'
    )
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      const info = await withNode(context, async (node) => await node.info())
      context.output.result(info, (colors) => renderInfo(info, colors, context.output.width))
    })

  withCommonOptions(
    program.command('address').summary('a fresh address to receive coins on the chain')
  )
    .description(
      'Makes a fresh receive address of the wallet. It never repeats. With an amount, a label or a message it prints a bitcoin: URI (BIP321), for a link or a QR code: wallets fill in from it what is to be paid.'
    )
    .argument('[amount]', `how much to ask for: ${AMOUNT_HELP}`, parseAmount)
    .option(
      '--label <text>',
      'who is paid, for the payer to see; also the label of the address in this wallet'
    )
    .option('--message <text>', 'what for, for the payer to see')
    .option('--uri', 'print a URI, even if it has nothing but the address')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan devnet fund $(paychan address) 1000000\n  paychan address 0.001btc --label "The bakery" --message "Order 17"\n  paychan address --uri'
    )
    .action(
      async (
        amount: Satoshi | undefined,
        { label: text, message, uri: asked = false }: AddressOptions,
        command: Command
      ) => {
        const context = contextOf(world, command)
        // No other verb of these needs addresses and the wallet's records.
        const { formatBitcoinUri } = await import('../../bitcoin/uri.js')
        const label =
          text === undefined ? undefined : (await import('../../wallet/notes.js')).checkLabel(text)
        const address = await withNode(context, async (node) => {
          const fresh = await node.wallet.address()
          if (label !== undefined && label !== '') await node.wallet.label(fresh, label)
          return fresh
        })
        const uri = formatBitcoinUri({ address, amount, label, message })
        const asks = asked || amount !== undefined || label !== undefined || message !== undefined
        context.output.result({ address, uri }, () => (asks ? uri : address))
      }
    )

  withCommonOptions(program.command('balance').summary('coins on the chain and in channels'))
    .description(
      'Shows coins of the wallet, our share of all channels, and payouts that are not yet swept.'
    )
    .addHelpText('after', '\nExample:\n  paychan balance')
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      const balance = await withNode(context, async (node) => await node.wallet.balance())
      context.output.result(balance, (colors) => renderBalance(balance, colors))
    })

  withCommonOptions(program.command('connect').summary('connect to a peer'))
    .description(
      'Connects to a peer by its full multiaddr, which `paychan info` shows on the other side.'
    )
    .argument('<multiaddr>', 'such as /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...')
    .addHelpText(
      'after',
      '\nExample:\n  paychan connect /ip4/127.0.0.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
    )
    .action(async (multiaddr: string, _options: object, command: Command) => {
      const context = contextOf(world, command)
      const peer = await withNode(
        context,
        async (node) => await node.peers.connect(multiaddr),
        `${multiaddr} to answer`
      )
      context.output.result(peer, () => renderConnected(peer))
    })

  withCommonOptions(program.command('peers').summary('the peers that this node knows'))
    .description('Lists peers, whether they are connected, and whether they speak paychan.')
    .addHelpText('after', '\nExample:\n  paychan peers')
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      const peers = await withNode(context, async (node) => await node.peers.list())
      context.output.result({ peers }, (colors) => renderPeers(peers, colors, context.output.width))
    })

  withCommonOptions(program.command('stop').summary('stop the running node'))
    .description(
      'Stops the node in order. Channels stay open; they are served again after the next start.'
    )
    .addHelpText('after', '\nExample:\n  paychan stop')
    .action(async (_options: object, command: Command) => {
      const context = contextOf(world, command)
      await withNode(context, async (node) => {
        await node.stop()
      })
      context.output.result({ stopped: true }, () => 'The node has stopped.')
    })
}

/* `paychan alias`: names for peers. */

const COLUMNS: readonly Column[] = [{ title: 'NAME' }, { title: 'PEER' }]

export function addAlias(program: Command, world: World): void {
  withCommonOptions(program.command('alias').summary('names for peers'))
    .description(
      'Gives a peer a name of your own, which may stand wherever a peer is named; nobody else sees it. Without arguments it lists the names.'
    )
    .argument('[peer]', `a peer id (${PART_HELP})`)
    .argument('[name]', 'small letters, digits, ".", "-" and "_", at most 32')
    .option('--remove <name>', 'take a name away')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan alias 12D3KooW... bakery\n  paychan pay bakery 1000\n  paychan alias --remove bakery'
    )
    .action(
      async (
        peer: string | undefined,
        name: string | undefined,
        { remove }: { remove?: string },
        command: Command
      ) => {
        const context = contextOf(world, command)
        const { output } = context
        if (remove !== undefined) {
          await withNode(context, async (node) => {
            await node.peers.unalias(remove)
          })
          output.result({ removed: remove }, () => `The name '${remove}' is free again.`)
        } else if (peer === undefined) {
          const aliases = await withNode(context, async (node) => await node.peers.aliases())
          output.result({ aliases }, (colors) =>
            aliases.length === 0
              ? 'No peer has a name. Give one with: paychan alias PEER NAME'
              : renderTable(
                  COLUMNS,
                  aliases.map((alias) => [alias.name, alias.peerId]),
                  colors,
                  output.width
                )
          )
        } else if (name === undefined) {
          throw new PaychanError('ERR_USAGE', 'Say which name. See paychan alias --help.')
        } else {
          const alias = await withNode(context, async (node) => await node.peers.alias(peer, name))
          output.result(alias, () => `${alias.peerId} is '${alias.name}' from now on.`)
        }
      }
    )
}
