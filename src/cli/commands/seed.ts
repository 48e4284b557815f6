/**
 * The verbs about the seed and its contents: `restore`, `recover`, `encrypt`, `decrypt`. The words
 * and passphrases are never arguments.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { dataPaths } from '../../daemon/paths.js'
import type { BackupResult, RecoverResult } from '../../node/api.js'
import { codeOf, PaychanError } from '../../types/errors.js'
import { formatAmount } from '../../types/units.js'
import { RESTORE_GAP } from '../../wallet/gaps.js'
import { formatTime, shortChannel, shortPeer } from '../../words/text.js'
import {
  type Context,
  contextOf,
  PART_HELP,
  wholeNumber,
  withCommonOptions,
  withNode,
  type World
} from '../context.js'
import type { Colors } from '../output.js'
import { askPassphrase, newPassphrase } from '../passphrase.js'
import { renderChannels } from '../render.js'

const BRINGS_BACK = [
  "The words bring back the coins on the wallet's addresses (receive and change; closes and refunds pay to them as well) and the node's peer id.",
  'Channels they bring back only through the peers: the signatures and the random numbers that the keys of a channel derive from are in the data directory only, and each peer has those of its channels.',
  'Every peer that connects is asked for them, as does `paychan recover PEER`; such a channel only closes.',
  'A peer that is gone cannot be asked, and one that lies can name an older state: keep copies of the data directory, too.'
].join(' ')

const IS_OLD_COPY = [
  'A backup is an old copy: the node must not run anywhere else, now or later, or its channels only close.',
  'Start it soon, where its peers find it. Each is asked what happened since, and hands back the newest state; where something did, the channel only closes then.',
  'Until a peer has said where a channel stands, nothing is paid on it, and nothing is settled because a person asks for it; a state that is due waits half an hour for the peer, and is then published as it is in the backup.',
  'What was received after the backup from a peer that does not come back, or lies, is lost.'
].join(' ')

interface RestoreOptions {
  readonly encrypt?: boolean
  readonly gap: number
  readonly used: number
  readonly from?: string
}

export function addSeedCommands(program: Command, world: World): void {
  withCommonOptions(
    program
      .command('restore')
      .summary('make a wallet from words that you wrote down, or put a backup back')
  )
    .description(
      `Reads 12 or 24 words from standard input, on as many lines as they take, and writes them to a new data directory. With the next start the chain is searched for their coins.\n\n${BRINGS_BACK}\n\nWith --from it puts back what \`paychan backup\` wrote. ${IS_OLD_COPY}`
    )
    .option(
      '--from <file>',
      'put a backup back (its passphrase is asked for; PAYCHAN_PASSPHRASE; or a line of the input)'
    )
    .option(
      '--encrypt',
      'encrypt the seed with a passphrase (asked for; PAYCHAN_PASSPHRASE; or the last line of the input)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan restore --data ./alice\n  paychan restore --data ./alice --encrypt < words.txt\n  paychan restore --data ./bob --gap 1000   (a busy server hands out many addresses)\n  paychan restore --data ./alice --from /mnt/usb/alice.backup'
    )
    .option(
      '--gap <n>',
      'search until so many addresses in a row are unused',
      wholeNumber(1),
      RESTORE_GAP
    )
    .option(
      '--used <n>',
      'so many addresses of each branch are used, as `paychan info` said: the search begins behind them',
      wholeNumber(0),
      0
    )
    .action(async ({ encrypt = false, gap, used, from }: RestoreOptions, command: Command) => {
      const context = contextOf(world, command)
      const { io, output, dataDir } = context
      if (from !== undefined) {
        if (encrypt || used > 0) {
          throw new PaychanError(
            'ERR_USAGE',
            'A backup has the seed as it was, and knows the addresses: leave --encrypt and --used out. `paychan encrypt` encrypts the seed afterwards.'
          )
        }
        await putBack(context, resolve(from), gap)
        return
      }
      const [{ readWords }, { restoreData }] = await Promise.all([
        import('../seed-words.js'),
        import('../../node/backup.js')
      ])
      const { words, passphrase } = await readWords(io, encrypt)
      const { seed: seedFile } = dataPaths(dataDir)
      await restoreData(dataDir, { words, passphrase, gap, used })
      output.result(
        { dataDir, seedFile, encrypted: encrypt, gap },
        () =>
          `Restored the wallet in ${dataDir}. Start the node: it searches the chain for its coins, up to ${gap} unused addresses in a row; \`paychan balance\` shows what it found.\n\n${BRINGS_BACK}`
      )
    })

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
        async () => await newPassphrase(io, { fromEnvironment: !already })
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

/** Puts a backup back, and looks through what came of it. */
async function putBack({ io, output, dataDir }: Context, file: string, gap: number): Promise<void> {
  const [{ restoreBackup }, { checkData }, { namedNetwork }] = await Promise.all([
    import('../../node/backup.js'),
    import('../../node/check.js'),
    import('../../daemon/config.js')
  ])
  const restored = await restoreBackup(dataDir, {
    file,
    gap,
    network: await namedNetwork(dataDir, io.env),
    passphrase: async (attempt) =>
      await askPassphrase(io, attempt, { prompt: 'Passphrase of the backup: ', fromInput: true })
  })
  const { network, madeAt, peerId, records, hasSeed } = restored
  const { ok, channels } = await checkData({ dataDir, network })
  output.result(
    { dataDir, ...restored, channels: channels.length, ok },
    () =>
      `Put back the node ${peerId} on ${network} in ${dataDir}, as it was on ${formatTime(madeAt)}: ${channels.length} channels, ${records} records.\n\n${IS_OLD_COPY}`
  )
  if (!hasSeed) {
    output.note(
      'The backup has no seed, since the application that made it keeps its seed itself: give it the same one.'
    )
  }
  if (!ok) {
    output.note('Something in the backup is damaged: `paychan check` says what, and what to do.')
  }
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

/* `paychan init`: a seed of one's own. */

export function addInit(program: Command, world: World): void {
  withCommonOptions(
    program.command('init').summary('make a wallet: a new seed in the data directory')
  )
    .description(
      'Makes the data directory and a new seed in it. A seed that exists is never overwritten.'
    )
    .option(
      '--encrypt',
      'encrypt the seed with a passphrase (asked for; PAYCHAN_PASSPHRASE; or a line of the input)'
    )
    .option(
      '--words',
      'also show the 24 words, to write them down (whoever reads them can take the money)'
    )
    .addHelpText(
      'after',
      '\nExamples:\n  paychan init\n  paychan init --data ./alice --words\n  paychan init --encrypt --words\n\nWords that you have already: paychan restore'
    )
    .action(
      async (
        { words: show = false, encrypt = false }: { words?: boolean; encrypt?: boolean },
        command: Command
      ) => {
        const { io, output, dataDir } = contextOf(world, command)
        const { seed: seedFile } = dataPaths(dataDir)
        const [{ systemRandom }, { writeSeedFile }, { createSeed }] = await Promise.all([
          import('../../node/system.js'),
          import('../../wallet/seed-file.js'),
          import('../../bitcoin/seed.js')
        ])
        const words = createSeed(systemRandom)
        await writeSeedFile(seedFile, words, encrypt ? await newPassphrase(io) : undefined)
        output.result(
          { dataDir, seedFile, encrypted: encrypt, ...(show ? { words } : {}) },
          (colors) =>
            [
              `Made a wallet in ${dataDir}.`,
              encrypt
                ? `Its 24 words are in ${seedFile}, encrypted. Nobody can read them without the passphrase: keep both, and a copy of the file elsewhere.`
                : `Its 24 words are in ${seedFile}: keep a copy elsewhere, and show it to nobody.`,
              ...(show ? ['', colors.bold(words), ''] : []),
              `Start the node with: paychan start --data ${dataDir} --network regtest --electrum tcp://HOST:PORT`
            ].join('\n')
        )
        if (show) {
          output.note(
            "Write the words down on paper now. Whoever reads them can take the money; they also stay in this terminal's history. No address is used yet; write beside them now and then how many are, as `paychan info` says: `paychan restore --used` takes the number."
          )
        }
      }
    )
}

/* `paychan backup`: everything of a node, in one encrypted file. */

/** The worth of a backup, in a sentence. */
const OLD_COPY =
  'It grows old with every payment: what is received after it comes back only through peers that come back and are honest, and channels may only close then.'

export function addBackup(program: Command, world: World): void {
  withCommonOptions(
    program.command('backup').summary('write an encrypted backup of everything into one file')
  )
    .description(
      `Writes the seed, the settings, the channels, the payments and the wallet, all as they are at one moment, into one encrypted file; whether the node runs or not. The passphrase is asked for, or comes from PAYCHAN_PASSPHRASE, PAYCHAN_PASSPHRASE_FD, or a line of the input. A node that runs writes the file itself.\n\nThe file takes its name when it is whole. It takes the place of an earlier backup of this node, and of nothing else: not of a file that is no backup, of another node's, nor of one that these data have not gone through, such as one made before an older backup was put back.\n\n${OLD_COPY} \`paychan restore --from FILE\` puts it back.`
    )
    .argument('<file>', 'where to write it; at best on another disk')
    .addHelpText(
      'after',
      '\nExamples:\n  paychan backup /mnt/usb/alice.backup\n  PAYCHAN_PASSPHRASE_FD=3 paychan backup ./alice.backup 3< passphrase.txt   (from a timer)'
    )
    .action(async (file: string, _options: object, command: Command) => {
      const context = contextOf(world, command)
      const passphrase = await newPassphrase(context.io, { what: 'backup' })
      const made = await backup(context, { file: resolve(file), passphrase })
      context.output.result(made, () => rendered(made))
    })
}

/** By the node, when there is one: it alone may open its store. */
async function backup(
  context: Context,
  request: { readonly file: string; readonly passphrase: string }
): Promise<BackupResult> {
  try {
    return await withNode(
      context,
      async (node) => await node.backup(request),
      'the node to write the backup'
    )
  } catch (error) {
    if (codeOf(error) !== 'ERR_NODE_NOT_RUNNING') throw error
    const { backupData } = await import('../../node/backup.js')
    return await backupData(context.dataDir, request)
  }
}

function rendered({ file, channels, records, peerId, network }: BackupResult): string {
  const named = channels === 1 ? 'one channel' : `${channels} channels`
  return `Wrote ${file}: ${named}, ${records} records of the node ${peerId} on ${network}. Nobody can open it without the passphrase.\n${OLD_COPY}`
}
