/** `paychan backup`: everything of a node, in one encrypted file. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { BackupResult } from '../../node/api.js'
import { codeOf } from '../../types/errors.js'
import { contextOf, withCommonOptions, withNode, type Context, type World } from '../context.js'
import { newPassphrase } from '../passphrase.js'

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
