/**
 * The verbs about the seed and its contents: `restore`, `recover`, `encrypt`, `decrypt`. The words
 * and passphrases are never arguments.
 */
import type { Command } from 'commander'
import { formatAmount } from '../../types/units.js'
import { dataPaths } from '../../daemon/paths.js'
import type { RecoverResult } from '../../node/api.js'
import { DEFAULT_RESTORE_GAP } from '../../node/layout.js'
import {
  contextOf,
  PART_HELP,
  wholeNumber,
  withCommonOptions,
  withNode,
  type World
} from '../context.js'
import type { Colors } from '../output.js'
import { askPassphrase, newPassphrase } from '../passphrase.js'
import { renderChannels } from '../render-channels.js'
import { shortChannel, shortPeer } from '../render.js'

const BRINGS_BACK = [
  "The words bring back the coins on the wallet's addresses (receive and change; closes and refunds pay to them as well) and the node's peer id.",
  'Channels they bring back only through the peers: the signatures and the random numbers that the keys of a channel derive from are in the data directory only, and each peer has those of its channels.',
  'Every peer that connects is asked for them, as does `paychan recover PEER`; such a channel only closes.',
  'A peer that is gone cannot be asked, and one that lies can name an older state: keep copies of the data directory, too.'
].join(' ')

export function addSeedCommands(program: Command, world: World): void {
  withCommonOptions(
    program.command('restore').summary('make a wallet from words that you wrote down')
  )
    .description(
      `Reads 12 or 24 words from standard input, on as many lines as they take, and writes them to a new data directory. With the next start the chain is searched for their coins.\n\n${BRINGS_BACK}`
    )
    .option(
      '--encrypt',
      'encrypt the seed with a passphrase (asked for; PAYCHAN_PASSPHRASE; or the last line of the input)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan restore --data ./alice\n  paychan restore --data ./alice --encrypt < words.txt\n  paychan restore --data ./bob --gap 1000   (a busy server hands out many addresses)'
    )
    .option(
      '--gap <n>',
      'search until so many addresses in a row are unused',
      wholeNumber(1),
      DEFAULT_RESTORE_GAP
    )
    .option(
      '--used <n>',
      'so many addresses of each branch are used, as `paychan info` said: the search begins behind them',
      wholeNumber(0),
      0
    )
    .action(
      async (
        { encrypt = false, gap, used }: { encrypt?: boolean; gap: number; used: number },
        command: Command
      ) => {
        const { io, output, dataDir } = contextOf(world, command)
        const [{ readWords }, { restoreData }] = await Promise.all([
          import('../seed-words.js'),
          import('../../node/restore.js')
        ])
        const { words, passphrase } = await readWords(io, encrypt)
        const { seed: seedFile } = dataPaths(dataDir)
        await restoreData(dataDir, { words, passphrase, gap, used })
        output.result(
          { dataDir, seedFile, encrypted: encrypt, gap },
          () =>
            `Restored the wallet in ${dataDir}. Start the node: it searches the chain for its coins, up to ${gap} unused addresses in a row; \`paychan balance\` shows what it found.\n\n${BRINGS_BACK}`
        )
      }
    )

  withCommonOptions(
    program.command('recover').summary('ask a peer for channels that this node has lost')
  )
    .description(
      'Connects to a peer and asks it for the channels that it has with this node, after the data directory was lost and restored from its words. What the peer says is checked: keys, signatures, the funding transaction. A channel that comes back only closes. Channels that this node has stay as they are.'
    )
    .argument(
      '<peer>',
      `a peer id that is connected (${PART_HELP}), or a peer address as \`paychan info\` shows it on the other side`
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan recover 12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp\n  paychan recover /ip4/127.0.0.1/tcp/4001/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp --json'
    )
    .action(async (peer: string, _options: object, command: Command) => {
      const context = contextOf(world, command)
      const result = await withNode(
        context,
        async (node) => await node.channels.recover(peer),
        `${peer} to say which channels it has`,
        'Channels may still come back: `paychan channels` shows them. To ask again does no harm.'
      )
      context.output.result(result, (colors) =>
        renderRecovered(result, colors, context.output.width)
      )
    })

  withCommonOptions(
    program
      .command('encrypt')
      .summary('encrypt the seed with a passphrase, or change the passphrase')
  )
    .description(
      'Encrypts the seed file with a passphrase (asked for; PAYCHAN_PASSPHRASE; or a line of the input, behind the one of before if there is one). From then on `paychan start` asks for it (or takes it from PAYCHAN_PASSPHRASE, or from the file descriptor that PAYCHAN_PASSPHRASE_FD names). A forgotten passphrase cannot be brought back; the words on paper can.'
    )
    .addHelpText('after', '\nExample:\n  paychan encrypt')
    .action(async (_options: object, command: Command) => {
      const { io, output, dataDir } = contextOf(world, command)
      const { seed: seedFile } = dataPaths(dataDir)
      const { isSeedEncrypted, rewriteSeedFile } = await import('../../wallet/seed-file.js')
      const already = await isSeedEncrypted(seedFile)
      await rewriteSeedFile(
        seedFile,
        async (attempt) =>
          await askPassphrase(io, attempt, { prompt: 'Passphrase until now: ', fromInput: true }),
        async () => await newPassphrase(io, !already)
      )
      output.result({ seedFile, encrypted: true }, () => `The seed in ${seedFile} is encrypted.`)
      if (!already) {
        output.note(
          'The open file is gone, but the disk may keep its traces, and so do backups of it.'
        )
      }
    })

  withCommonOptions(program.command('decrypt').summary('take the passphrase off the seed'))
    .description(
      'Writes the seed file without encryption: whoever can read the file can take the money. The passphrase is asked for, or comes from PAYCHAN_PASSPHRASE, PAYCHAN_PASSPHRASE_FD, or a line of the input.'
    )
    .addHelpText('after', '\nExample:\n  paychan decrypt')
    .action(async (_options: object, command: Command) => {
      const { io, output, dataDir } = contextOf(world, command)
      const { seed: seedFile } = dataPaths(dataDir)
      const { rewriteSeedFile } = await import('../../wallet/seed-file.js')
      await rewriteSeedFile(
        seedFile,
        async (attempt) => await askPassphrase(io, attempt, { fromInput: true })
      )
      output.result(
        { seedFile, encrypted: false },
        () => `The seed in ${seedFile} is not encrypted any more.`
      )
    })
}

/* The channels that a peer handed back, in words and a table. */

/** The result of `recover`. */
export function renderRecovered(
  { peerId, recovered, known, refused }: RecoverResult,
  colors: Colors,
  width: number
): string {
  const ours = recovered.reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
  const lines =
    recovered.length === 0
      ? [
          known === 0 && refused.length === 0
            ? `${shortPeer(peerId)} has no channel with this node that still holds money.`
            : `${shortPeer(peerId)} named no channel that this node had lost.`
        ]
      : [
          `Recovered ${recovered.length} ${recovered.length === 1 ? 'channel' : 'channels'} from ${shortPeer(peerId)}: ${formatAmount(ours)} are ours, if the peer has named the newest states.`,
          renderChannels(recovered, colors, width),
          'They take no payments. Close them with `paychan close CHANNEL`; what is left to itself is published by height.'
        ]
  if (known > 0) {
    lines.push(`${known} more ${known === 1 ? 'is' : 'are'} known to this node, and unchanged.`)
  }
  for (const { channel, code, reason } of refused) {
    lines.push(`Refused channel ${shortChannel(channel)}: ${reason} (${code})`)
  }
  return lines.join('\n')
}
