/** `paychan alias`: names for peers. */
import type { Command } from 'commander'
import { PaychanError } from '../../types/errors.js'
import { contextOf, PART_HELP, withCommonOptions, withNode, type World } from '../context.js'
import { type Column, renderTable } from '../table.js'

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
