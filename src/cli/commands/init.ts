/** `paychan init`: a seed of one's own. */
import type { Command } from 'commander'
import { dataPaths } from '../../daemon/paths.js'
import { newPassphrase } from '../passphrase.js'
import { contextOf, withCommonOptions, type World } from '../context.js'

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
